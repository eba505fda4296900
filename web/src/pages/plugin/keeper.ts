/** Puts back what a bundle takes from the page, so that the shell outlives it. */

const ATTRIBUTES = ["class", "style"];

let watching = false;

/** From now on the shell and its styles come back wherever they are removed. */
export function keepShell(): void {
  if (watching) return;
  watching = true;
  const app = document.getElementById("app");
  const observer = new MutationObserver((changes) => {
    for (const { removedNodes, target } of changes) {
      for (const node of removedNodes) {
        if (!node.isConnected && (node === app || isOurStyle(node))) target.appendChild(node);
      }
    }
  });
  for (const place of [document.head, document.body]) observer.observe(place, { childList: true });
}

/** Returns what makes the page's outermost elements look as they do now. */
export function rememberLook(): () => void {
  const kept = [document.documentElement, document.body].flatMap((element) =>
    ATTRIBUTES.map((name) => [element, name, element.getAttribute(name)] as const),
  );
  return () => {
    for (const [element, name, value] of kept) {
      if (value === null) element.removeAttribute(name);
      else if (element.getAttribute(name) !== value) element.setAttribute(name, value);
    }
  };
}

function isOurStyle(node: Node): boolean {
  return (
    node instanceof HTMLLinkElement && node.relList.contains("stylesheet") && node.href.includes("/assets/")
  );
}
