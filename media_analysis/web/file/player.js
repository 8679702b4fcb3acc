// Playing: what the browser cannot play is said, and looked through by frames; a slider shows where it would go, by the
// storyboard if there is one, else by the nearest frames.
import { clock } from "../layout/writing.js";

const SETTLED_MILLISECONDS = 120;
const player = document.querySelector(".player");
const media = player?.querySelector("video, audio");

function cannotPlay() {
  player.querySelector(".unplayable").hidden = false;
}

// A browser without the codec tells no error: it plays the sound, and knows of no pictures.
function look() {
  if (media.tagName === "VIDEO" && media.videoWidth === 0) cannotPlay();
}

if (media) {
  media.addEventListener("error", cannotPlay);
  media.addEventListener("loadedmetadata", look);
  if (media.error) cannotPlay();
  else if (media.readyState >= HTMLMediaElement.HAVE_METADATA) look();
  followWaveform();
  followFrames();
  if (media.tagName === "VIDEO") bindSlider();
}

function followWaveform() {
  const wave = document.querySelector(".waveform");
  const played = wave?.querySelector(".played");
  if (!wave) return;
  media.addEventListener("timeupdate", () => {
    const x = String(600 * (media.currentTime / (media.duration || 1)));
    played.setAttribute("x1", x);
    played.setAttribute("x2", x);
  });
  wave.addEventListener("click", (event) => {
    const box = wave.getBoundingClientRect();
    if (Number.isFinite(media.duration)) media.currentTime = media.duration * ((event.clientX - box.left) / box.width);
  });
}

// A frame of the strip leads to where it was taken; with a modifier it opens as the file that it is.
function followFrames() {
  for (const frame of document.querySelectorAll("a[data-seconds]")) {
    frame.addEventListener("click", (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey || !Number.isFinite(media.duration)) return;
      event.preventDefault();
      media.currentTime = Number(frame.dataset.seconds);
      media.scrollIntoView({ block: "nearest" });
    });
  }
}

function bindSlider() {
  const slider = player.querySelector(".scrub input");
  const tile = player.querySelector(".scrub .tile");
  const storyboard = media.textTracks[0] ?? null;
  if (storyboard) storyboard.mode = "hidden";
  let settling = 0;
  const length = () => (Number.isFinite(media.duration) ? media.duration : Number(player.dataset.duration ?? 0));
  const show = (share) => {
    const seconds = share * length();
    tile.hidden = length() === 0;
    tile.style.left = `clamp(${tile.offsetWidth / 2}px, ${100 * share}%, calc(100% - ${tile.offsetWidth / 2}px))`;
    const cue = storyboard?.cues && [...storyboard.cues].find((one) => one.startTime <= seconds && seconds < one.endTime);
    if (cue) {
      showCue(tile, cue, media.querySelector("track").src);
      return;
    }
    clearTimeout(settling);
    settling = setTimeout(() => showFrame(tile, seconds), SETTLED_MILLISECONDS);
  };
  // What is read aloud is where it is in the film, and no share of it.
  const name = () => slider.setAttribute("aria-valuetext", clock((slider.value / 1000) * length()));
  slider.addEventListener("input", () => {
    name();
    show(slider.value / 1000);
    if (media.videoWidth > 0 && length() > 0) media.currentTime = (slider.value / 1000) * length();
    else showPoster(slider.value / 1000 * length());
  });
  slider.addEventListener("pointermove", (event) => {
    const box = slider.getBoundingClientRect();
    show(Math.min(1, Math.max(0, (event.clientX - box.left) / box.width)));
  });
  for (const left of ["pointerleave", "blur"]) slider.addEventListener(left, () => { tile.hidden = true; });
  media.addEventListener("timeupdate", () => {
    if (length() > 0) slider.value = String(1000 * media.currentTime / length());
    name();
  });
}

function showCue(tile, cue, base) {
  const [address, place] = cue.text.trim().split("#xywh=");
  const [x, y, width, height] = place.split(",").map(Number);
  tile.replaceChildren();
  tile.style.width = `${width}px`;
  tile.style.height = `${height}px`;
  tile.style.background = `url("${new URL(address, base)}") -${x}px -${y}px`;
}

function showFrame(tile, seconds) {
  const image = new Image();
  image.src = `${player.dataset.frame}?t=${seconds.toFixed(2)}&width=160&exact=false`;
  image.alt = "";
  image.addEventListener("load", () => tile.replaceChildren(image));
}

// What cannot be played is still looked at: the picture in its place is the one of the slider.
let settlingPoster = 0;
function showPoster(seconds) {
  clearTimeout(settlingPoster);
  settlingPoster = setTimeout(() => {
    media.poster = `${player.dataset.frame}?t=${seconds.toFixed(2)}&width=1280`;
  }, SETTLED_MILLISECONDS);
}
