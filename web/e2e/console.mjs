// What no page may cause: script errors, refusals by the content policy, requests off the host.

/** Failed requests are told of by the page itself; the browser's own line about them is no fault. */
const EXPECTED = /Failed to load resource/;

export function watchBrowser(page) {
  const complaints = [];
  page.on("pageerror", (error) => complaints.push(`script error: ${error.stack ?? error}`));
  page.on("dialog", (dialog) => (complaints.push(`a script asked: ${dialog.message()}`), dialog.dismiss()));
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type()) && !EXPECTED.test(message.text())) complaints.push(`${message.type()}: ${message.text()}`);
  });
  page.on("request", (request) => {
    const url = request.url();
    if (!/^(http:\/\/127\.0\.0\.1:|about:|blob:|data:)/.test(url)) complaints.push(`a request left the host: ${url}`);
    if (/tkd_/.test(decodeURIComponent(url))) complaints.push(`a key is in a URL: ${url}`);
  });
  return complaints;
}
