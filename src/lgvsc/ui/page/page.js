// The page of a run stands in a frame of its own and says how tall it is.
addEventListener("message", (event) => {
  const height = event.data?.lgvscHeight;
  if (typeof height !== "number") return;
  for (const frame of document.querySelectorAll("iframe.run"))
    if (frame.contentWindow === event.source) frame.style.height = `${Math.min(Math.max(height, 200), 60000)}px`;
});
