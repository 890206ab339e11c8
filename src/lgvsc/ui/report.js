"use strict";
(() => {
  const data = JSON.parse(document.getElementById("run-data").textContent);
  const byId = (id) => document.getElementById(id);
  const videos = ["source", "rebuilt", "rival"].map(byId).filter(Boolean);
  const master = byId("rebuilt") ?? videos[0];
  const last = Math.max(0, data.shown - 1);
  let frame = 0;

  for (const video of videos) {
    const bytes = Uint8Array.from(atob(byId(video.id + "-data").textContent), (c) => c.charCodeAt(0));
    video.src = URL.createObjectURL(new Blob([bytes], { type: "video/mp4" }));
  }

  const within = (runs, index) => runs.find((run) => run[0] <= index && index < run[1]);
  const playing = () => master && !master.paused && !master.ended;

  function show(index) {
    frame = Math.max(0, Math.min(data.frames ? data.frames - 1 : last, index));
    for (const plot of document.querySelectorAll("svg.tl")) {
      const head = plot.querySelector(".playhead");
      const x = +plot.dataset.left + (plot.dataset.span * (frame + 0.5)) / plot.dataset.frames;
      head.setAttribute("x1", x);
      head.setAttribute("x2", x);
      head.style.visibility = "visible";
    }
    const segment = within(data.segments, frame);
    document.querySelectorAll(".segment").forEach((card, i) => card.classList.toggle("now", data.segments[i] === segment));
    if (!master) return;
    byId("scrub").value = Math.min(frame, last);
    byId("clock").textContent = `frame ${frame} · ${(frame / data.fps).toFixed(2)} s`;
    const caption = byId("caption-now");
    const lost = segment && segment[2] !== null && segment[3] === null;
    caption.classList.toggle("lost", Boolean(lost));
    caption.textContent = !segment ? "" : lost ? "(this segment's caption was lost)" : segment[3] ?? "";
    const run = within(data.provenance, frame);
    const origin = document.querySelector(".origin");
    if (!origin) return;
    origin.textContent = run ? run[2] : "";
    origin.className = run ? `origin ${run[2]}` : "origin";
  }

  function seek(index) {
    show(index);
    for (const video of videos) video.currentTime = (Math.min(frame, last) + 0.5) / data.fps;
  }

  function toggle(on) {
    if (!master) return;
    if (on && frame >= last) seek(0);
    for (const video of videos) on ? video.play().catch(() => {}) : video.pause();
    byId("play").textContent = on ? "pause" : "play";
    if (on) requestAnimationFrame(tick);
  }

  function tick() {
    for (const video of videos) {
      // Two decoders drift apart; more than a frame of it is seen.
      if (video !== master && Math.abs(video.currentTime - master.currentTime) > 1.5 / data.fps && !video.seeking)
        video.currentTime = master.currentTime;
    }
    show(Math.min(last, Math.floor(master.currentTime * data.fps + 1e-3)));
    if (playing()) requestAnimationFrame(tick);
    else byId("play").textContent = "play";
  }

  for (const plot of document.querySelectorAll("svg.tl")) {
    plot.addEventListener("click", (event) => {
      const box = plot.getBoundingClientRect();
      const x = ((event.clientX - box.left) / box.width) * plot.viewBox.baseVal.width;
      seek(Math.floor(((x - plot.dataset.left) / plot.dataset.span) * plot.dataset.frames));
    });
  }
  for (const button of document.querySelectorAll(".seek")) {
    button.addEventListener("click", () => {
      seek(+button.dataset.frame);
      byId("player")?.scrollIntoView({ behavior: "smooth", block: "nearest" });
    });
  }
  byId("copy")?.addEventListener("click", async (event) => {
    const words = byId("command");
    try {
      await navigator.clipboard.writeText(words.textContent);
    } catch {
      getSelection().selectAllChildren(words); // not every place lets a page write there: then as people do it
      if (!document.execCommand("copy")) return;
    }
    event.target.textContent = "copied";
    setTimeout(() => (event.target.textContent = "copy"), 2000);
  });
  if (master) {
    byId("play").addEventListener("click", () => toggle(!playing()));
    byId("back").addEventListener("click", () => (toggle(false), seek(frame - 1)));
    byId("forth").addEventListener("click", () => (toggle(false), seek(Math.min(last, frame + 1))));
    byId("scrub").addEventListener("input", (event) => seek(+event.target.value));
    byId("speed").addEventListener("change", (event) => videos.forEach((v) => (v.playbackRate = +event.target.value)));
    byId("wipe")?.addEventListener("click", (event) => {
      const on = byId("stage").classList.toggle("wiped");
      event.target.setAttribute("aria-pressed", on);
    });
    byId("marks")?.addEventListener("click", (event) => {
      event.target.setAttribute("aria-pressed", byId("stage").classList.toggle("marked"));
    });
    byId("against")?.addEventListener("change", (event) => {
      byId("stage").classList.toggle("under-rival", event.target.value === "rival");
    });
    byId("divider").addEventListener("input", (event) => byId("stage").style.setProperty("--cut", event.target.value + "%"));
    document.addEventListener("keydown", (event) => {
      if (event.target.closest("input, select, button, summary, a") || event.ctrlKey || event.metaKey || event.altKey) return;
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (event.key === " ") toggle(!playing());
      else if (step) (toggle(false), seek(Math.min(last, frame + step)));
      else return;
      event.preventDefault();
    });
    master.addEventListener("loadeddata", () => seek(0), { once: true });
  }
  // Inside another page the videos come first, and the frame cannot see how tall this page is.
  document.documentElement.classList.toggle("framed", parent !== window);
  if (parent !== window)
    new ResizeObserver(() => parent.postMessage({ lgvscHeight: document.documentElement.scrollHeight }, "*")).observe(
      document.body,
    );
  show(0);
})();
