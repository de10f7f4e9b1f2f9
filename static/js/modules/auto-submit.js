// @ts-check
// A filter form that submits itself when a choice changes; without scripts its button stays.

/** @param {HTMLElement} root */
export function mount(root) {
  const form = /** @type {HTMLFormElement} */ (root);
  const submit = () => form.requestSubmit();
  for (const button of form.querySelectorAll("[data-auto-submit-hide]")) button.toggleAttribute("hidden", true);
  form.addEventListener("change", submit);
  return () => form.removeEventListener("change", submit);
}
