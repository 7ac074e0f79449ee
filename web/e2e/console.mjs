// What no page may cause: script errors, refusals by the content policy, requests off the host.

/** Failed requests are told of by the page itself; the browser's own line about them is no fault. */
const EXPECTED = /Failed to load resource/;

export function watchBrowser(page, url) {
  const complaints = [];
  page.on("pageerror", (error) => complaints.push(`script error: ${error.stack ?? error}`));
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type()) && !EXPECTED.test(message.text())) complaints.push(`${message.type()}: ${message.text()}`);
  });
  page.on("request", (request) => {
    if (!request.url().startsWith(url) && !/^(about|blob|data):/.test(request.url())) complaints.push(`a request left the host: ${request.url()}`);
    if (/tkd_/.test(request.url())) complaints.push(`a key is in a URL: ${request.url()}`);
  });
  return complaints;
}
