// The plugin's view in the dashboard: these two run in the browser of whoever opens the plugin there, to which
// toru brings them as `/bundle.js`. What they do not catch, the dashboard shows.
export async function mount(container, api) {
  const key = `user/${api.user.id}/name`;
  container.innerHTML = `
    <style>
      .hello { display: grid; gap: 1rem; max-width: 26rem; padding: 1.5rem; border: 1px solid var(--toru-color-border);
        border-radius: calc(2 * var(--toru-radius)); background: var(--toru-color-surface) }
      .hello input, .hello button { box-sizing: border-box; width: 100%; height: 2.25rem; padding: 0 0.75rem; font: inherit;
        border: 1px solid var(--toru-color-border-strong); border-radius: var(--toru-radius) }
      .hello input { margin-top: 0.25rem; background: var(--toru-color-background); color: inherit }
      .hello button { border-color: transparent; background: var(--toru-color-accent); color: var(--toru-color-accent-contrast) }
      .hello output { font-size: 1.25rem; overflow-wrap: anywhere }
    </style>
    <form class="hello">
      <output></output>
      <label>Your name <input maxlength="80" autocomplete="off"></label>
      <button>Say hello, and remember me</button>
    </form>`;
  const [form, input, greeting] = ["form", "input", "output"].map((name) => container.querySelector(name));
  const greet = async () => {
    const answer = await api.fetch(`/?name=${encodeURIComponent(input.value)}`);
    greeting.textContent = await answer.text(); // Never innerHTML: it is text, not markup.
  };
  form.onsubmit = async (event) => {
    event.preventDefault();
    await api.kv.set(key, input.value);
    await greet();
    api.showToast("Your name is remembered.", "success");
  };
  input.value = (await api.kv.get(key)) ?? "";
  await greet();
}

export function unmount(container) {
  container.replaceChildren();
}
