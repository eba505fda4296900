// The plugin's page in the dashboard: an ES module that puts its view into a container and takes it out
// again. `api.fetch(path)` goes to this plugin's own route, whoever is signed in.

const views = new WeakMap();

export function mount(container, api) {
  const form = document.createElement("form");
  const name = document.createElement("input");
  const button = document.createElement("button");
  const answer = document.createElement("output");
  name.placeholder = "Your name";
  name.setAttribute("aria-label", "Your name");
  button.textContent = "Say hello";
  form.append(name, " ", button, document.createElement("p"), answer);

  // Whatever still runs when the view goes away is stopped by this.
  const stopped = new AbortController();
  const greet = async (event) => {
    event?.preventDefault();
    try {
      const path = `/?name=${encodeURIComponent(name.value)}`;
      const response = await api.fetch(path, { signal: stopped.signal });
      // textContent, never innerHTML: an answer is text, not markup.
      answer.textContent = await response.text();
    } catch (error) {
      if (!stopped.signal.aborted) api.showToast(String(error), "error");
    }
  };
  form.addEventListener("submit", greet, { signal: stopped.signal });

  container.replaceChildren(form);
  views.set(container, stopped);
  greet();
}

export function unmount(container) {
  views.get(container)?.abort();
  views.delete(container);
  container.replaceChildren();
}
