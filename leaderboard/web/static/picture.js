// On /me: a picture is cut square and made small before it leaves the device. What cannot be read here is sent as it is, and
// the server says what is wrong with it.
document.addEventListener("change", async (event) => {
  const input = event.target;
  const side = Number(input.dataset.picture);
  if (!side || !input.files.length) return;
  const button = input.form.querySelector("button");
  button.disabled = true;
  try {
    const picture = await createImageBitmap(input.files[0]);
    const canvas = document.createElement("canvas");
    canvas.width = canvas.height = side;
    const square = Math.min(picture.width, picture.height);
    const left = (picture.width - square) / 2;
    const top = (picture.height - square) / 2;
    const context = canvas.getContext("2d");
    context.fillStyle = "#fff";
    context.fillRect(0, 0, side, side);
    context.drawImage(picture, left, top, square, square, 0, 0, side, side);
    const small = await new Promise((done) => canvas.toBlob(done, "image/jpeg", 0.88));
    const files = new DataTransfer();
    files.items.add(new File([small], "picture.jpg", { type: "image/jpeg" }));
    input.files = files.files;
  } catch {
    // as it is
  } finally {
    button.disabled = false;
  }
});
