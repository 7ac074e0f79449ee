//! Encrypted connections: the certificate of the configuration, and what is wrong with it.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::service::{Service, tickerd};

/// A certificate for `localhost` that signs itself, and its key, in a directory.
struct Pair {
    directory: TempDir,
    certificate: String,
}

impl Pair {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let mut pair = Self { directory, certificate: String::new() };
        pair.renew();
        pair
    }

    fn renew(&mut self) {
        let names = vec!["localhost".to_owned()];
        let made = rcgen::generate_simple_self_signed(names).expect("a certificate");
        self.certificate = made.cert.pem();
        std::fs::write(self.file("key"), made.signing_key.serialize_pem()).expect("written");
        std::fs::write(self.file("cert"), &self.certificate).expect("written");
    }

    fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(format!("{name}.pem"))
    }

    fn settings(&self) -> Vec<(&'static str, String)> {
        let text = |name| self.file(name).display().to_string();
        vec![("TICKERD_SERVER__TLS_CERT", text("cert")), ("TICKERD_SERVER__TLS_KEY", text("key"))]
    }

    /// A client that trusts this certificate and no other.
    fn client(&self) -> reqwest::Client {
        let root = reqwest::Certificate::from_pem(self.certificate.as_bytes()).expect("PEM");
        let builder = reqwest::Client::builder().no_proxy().tls_certs_only([root]);
        builder.build().expect("a client")
    }
}

fn start(pair: &Pair, more: &[(&str, &str)]) -> Service {
    let settings = pair.settings();
    let settings = settings.iter().map(|(name, text)| (*name, text.as_str()));
    Service::start(&[], &settings.chain(more.iter().copied()).collect::<Vec<_>>())
}

fn port(service: &Service) -> String {
    service.base.rsplit(':').next().expect("a port").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_with_a_certificate_encrypts_and_says_so() {
    let pair = Pair::new();
    let service = start(&pair, &[]);
    assert!(service.base.starts_with("https://127.0.0.1:"), "{}", service.base);
    let port = port(&service);
    let url = format!("https://localhost:{port}/health");
    let answer = pair.client().get(&url).send().await.expect("an answer");
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["strict-transport-security"], "max-age=31536000");

    let plain = reqwest::Client::builder().no_proxy().build().expect("a client");
    plain.get(format!("http://localhost:{port}/health")).send().await.expect_err("encrypted");
    Pair::new().client().get(&url).send().await.expect_err("another certificate");

    let mut health = tickerd(&service.directory);
    health.arg("health").envs(pair.settings()).env("TICKERD_SERVER__PORT", &port);
    let output = health.output().expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    // Somebody else's certificate is not ours.
    let mut health = tickerd(&service.directory);
    health.arg("health").envs(Pair::new().settings()).env("TICKERD_SERVER__PORT", &port);
    assert!(!health.output().expect("it runs").status.success());
}

#[test]
fn who_connects_and_says_nothing_is_not_waited_for() {
    let service = start(&Pair::new(), &[("TICKERD_SERVER__HEADER_TIMEOUT", "300ms")]);
    let address = format!("127.0.0.1:{}", port(&service));
    let mut silent = std::net::TcpStream::connect(address).expect("connected");
    silent.set_read_timeout(Some(Duration::from_secs(60))).expect("set");
    let end = std::io::Read::read_to_end(&mut silent, &mut Vec::new());
    assert!(end.is_ok_and(|n_bytes| n_bytes == 0), "closed in time");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_without_one_promises_no_encryption() {
    let service = Service::start(&[], &[]);
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let answer = client.get(format!("{}/health", service.base)).send().await.expect("an answer");
    assert!(!answer.headers().contains_key("strict-transport-security"));
}

#[test]
fn files_that_cannot_be_used_are_refused_at_start_by_the_name_of_their_setting() {
    let (pair, other) = (Pair::new(), Pair::new());
    let text = |path: PathBuf| path.display().to_string();
    let (cert, key) = (text(pair.file("cert")), text(pair.file("key")));
    let directory = text(pair.directory.path().to_owned());
    for (label, cert, key, expected) in [
        (
            "no certificate",
            "absent.pem",
            key.as_str(),
            "server.tls_cert: absent.pem cannot be read",
        ),
        ("no key", &cert, "absent.pem", "server.tls_key: absent.pem cannot be read"),
        ("a directory", &cert, &directory, "server.tls_key: "),
        ("not PEM", "config.toml", &key, "holds no certificate in PEM form"),
        ("a certificate for a key", &cert, &cert, "holds no private key in PEM form"),
        ("of another", &cert, &text(other.file("key")), "cannot be used together"),
        ("one alone", &cert, "", "one is no use without the other"),
    ] {
        let here = tempfile::tempdir().expect("a directory");
        std::fs::write(here.path().join("config.toml"), "# nothing").expect("written");
        for verb in [&["serve", "--port", "0"][..], &["config", "check"]] {
            let mut command = tickerd(&here);
            command.args(verb).env("TICKERD_SERVER__TLS_CERT", cert);
            let output = command.env("TICKERD_SERVER__TLS_KEY", key).output().expect("it runs");
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(1), "{label}: {said}");
            assert!(said.contains(expected), "{label}: {said}");
        }
        assert!(!here.path().join("data").exists(), "{label}: refused before anything is opened");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewed_certificate_is_used_without_a_restart() {
    let mut pair = Pair::new();
    let service = start(&pair, &[]);
    let url = format!("https://localhost:{}/health", port(&service));
    assert_eq!(pair.client().get(&url).send().await.expect("an answer").status(), 200);
    let old = pair.client();
    pair.renew();
    service.signal("HUP");
    let deadline = Instant::now() + Duration::from_secs(120);
    while pair.client().get(&url).send().await.is_err() {
        assert!(Instant::now() < deadline, "{}", service.log().join("\n"));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // The old client has a connection it may still use: what is new is what connects anew.
    drop(old);
    std::fs::write(pair.file("cert"), "nothing").expect("written");
    service.signal("HUP");
    let refused = || service.log().iter().any(|line| line.contains("the old one stays"));
    while !refused() {
        assert!(Instant::now() < deadline, "{}", service.log().join("\n"));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(pair.client().get(&url).send().await.expect("an answer").status(), 200);
}
