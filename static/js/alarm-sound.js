// @ts-check
// A sound for new alerts, for who asks for it: one tone for low and medium, two for high, three for critical. A thousand
// alerts at once sound once.

const KEY = "alert-sound";
const APART_MS = 3_000;
/** @type {Record<string, number[]>} */
const TONES = { low: [440], medium: [523], high: [659, 523], critical: [784, 659, 784] };
const TONE_S = 0.18;

/** @param {HTMLElement | null} button shows whether it is on */
export function createAlarmSound(button) {
  let on = localStorage.getItem(KEY) === "on";
  let playedMs = -APART_MS;
  /** @type {AudioContext | null} */
  let audio = null;

  // Without this script it could do nothing.
  button?.removeAttribute("hidden");
  const show = () => {
    button?.setAttribute("aria-pressed", String(on));
    button?.classList.toggle("button--on", on);
  };
  // Browsers let a page sound only after somebody has touched it.
  const wake = () => {
    if (on) audio ??= new AudioContext();
    void audio?.resume();
  };
  /** @param {string} severity */
  function play(severity) {
    if (!on || !audio || audio.state !== "running" || performance.now() - playedMs < APART_MS) return;
    playedMs = performance.now();
    if (button) button.dataset.sounded = severity;
    for (const [place, pitch] of (TONES[severity] ?? TONES.medium).entries()) {
      const begin = audio.currentTime + place * TONE_S * 1.2;
      const tone = audio.createOscillator();
      const loudness = audio.createGain();
      tone.frequency.value = pitch;
      loudness.gain.setValueAtTime(0.0001, begin);
      loudness.gain.exponentialRampToValueAtTime(0.25, begin + 0.02);
      loudness.gain.exponentialRampToValueAtTime(0.0001, begin + TONE_S);
      tone.connect(loudness).connect(audio.destination);
      tone.start(begin);
      tone.stop(begin + TONE_S);
    }
  }

  document.addEventListener("pointerdown", wake);
  document.addEventListener("keydown", wake);
  show();
  return {
    toggle() {
      on = !on;
      localStorage.setItem(KEY, on ? "on" : "off");
      show();
      wake();
      playedMs = -APART_MS;
      play("medium");
      // This was a sample; an alert in the next moment sounds all the same.
      playedMs = -APART_MS;
    },
    play,
    stop() {
      document.removeEventListener("pointerdown", wake);
      document.removeEventListener("keydown", wake);
      void audio?.close();
    },
  };
}
