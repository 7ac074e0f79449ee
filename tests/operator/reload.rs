//! Settings that change while the service runs.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::service::Service;
use crate::upstream::{Behaviour, Canned, Upstream};

const KEY: &str = "an-old-clients-key";

struct Operator {
    service: Service,
    http: reqwest::Client,
}

impl Operator {
    /// A service with a configuration file, and its key in a file of its own.
    fn start(config: &str) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let file = |name: &str| directory.path().join(name).display().to_string();
        let (toml, key) = (file("settings.toml"), file("key"));
        std::fs::write(&toml, config).expect("written");
        std::fs::write(&key, KEY).expect("written");
        let environment = [("TICKERD_ACCESS__API_KEY_FILE", key.as_str())];
        let arguments = ["--config", &toml, "--log-format", "json"];
        let mut service = Service::start(&arguments, &environment);
        service.beside.push(directory);
        let http = reqwest::Client::builder().no_proxy().build().expect("a client");
        Self { service, http }
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.service.beside[0].path().join(name), text).expect("written");
    }

    async fn get(&self, path: &str, key: &str) -> reqwest::Response {
        let url = format!("{}{path}", self.service.base);
        self.http.get(url).bearer_auth(key).send().await.expect("an answer")
    }

    async fn policy(&self) -> String {
        let answer = self.get("/prices/symbols", KEY).await;
        answer.headers()["ratelimit-policy"].to_str().expect("text").to_owned()
    }

    /// Asks until it is so. The deadline is far off: it is there for what never comes.
    async fn eventually(&self, what: &str, mut is_so: impl AsyncFnMut() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(120);
        while !is_so().await {
            assert!(Instant::now() < deadline, "{what}:\n{}", self.service.log().join("\n"));
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn trail(&self) -> Vec<(String, String)> {
        let entries: Value =
            self.get("/v1/audit?action=config.reload", KEY).await.json().await.expect("JSON");
        let text = |entry: &Value, name: &str| entry[name].as_str().unwrap_or_default().to_owned();
        let entries = entries.as_array().expect("a list").iter().rev();
        entries.map(|entry| (text(entry, "target"), text(entry, "outcome"))).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_file_is_taken_over_and_a_wrong_one_is_refused_whole() {
    let operator = Operator::start("[limits]\nrequests = 100000\n");
    assert!(operator.policy().await.contains("q=100000"));

    operator.write("settings.toml", "[limits]\nrequests = 90000\n[cache]\ncapacity = 9\n");
    operator.eventually("90000", async || operator.policy().await.contains("q=90000")).await;
    operator
        .service
        .logged(|line| line["waiting"].as_str().is_some_and(|waiting| waiting == "cache.capacity"));
    let system: Value = operator.get("/v1/system", KEY).await.json().await.expect("JSON");
    let shown = |key: &str| {
        let settings = system["config"].as_array().expect("a list").iter();
        settings.clone().find(|setting| setting["key"] == key).expect("shown")["value"].clone()
    };
    assert_eq!(shown("limits.requests"), 90_000);
    assert_eq!(
        shown("cache.capacity"),
        10_000,
        "what waits for a restart is not shown as if it held"
    );

    operator.write("settings.toml", "[limits]\nrequests = 5\n[log]\nlevel = \"inof\"\n");
    operator.service.signal("HUP");
    let refused = operator.service.logged(|line| line["level"] == "ERROR");
    assert!(refused["why"].as_str().is_some_and(|why| why.contains("inof")), "{refused}");
    assert!(operator.policy().await.contains("q=90000"), "the old configuration stays");

    // The log level is one of what can change.
    operator.write("settings.toml", "[limits]\nrequests = 90000\n[log]\nlevel = \"debug\"\n");
    operator
        .eventually("debug", async || {
            operator.policy().await;
            operator.service.log().iter().any(|line| line.contains("\"level\":\"DEBUG\""))
        })
        .await;
    let done = |keys: &str| (keys.to_owned(), "done".to_owned());
    let refused = (String::new(), "refused: not valid".to_owned());
    let expected = [done("limits.requests"), refused, done("log.level")];
    operator.eventually("in the trail", async || operator.trail().await.len() == 3).await;
    assert_eq!(operator.trail().await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_in_a_file_can_be_replaced() {
    const NEW: &str = "the-key-that-follows-it";
    let operator = Operator::start("");
    assert_eq!(operator.get("/prices", KEY).await.status(), 200);
    operator.write("key", NEW);
    operator.service.signal("HUP");
    operator
        .eventually("new key", async || operator.get("/prices", NEW).await.status() == 200)
        .await;
    assert_eq!(operator.get("/prices", KEY).await.status(), 401);
    let system = operator.get("/v1/system", NEW).await.text().await.expect("text");
    assert!(!system.contains(NEW), "secrets are masked");
    assert!(!operator.service.log().join("\n").contains(NEW));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_gets_a_key_is_asked_and_a_refused_key_can_be_replaced() {
    let upstream = Upstream::start().await;
    let refused = Canned::new(401, "application/json", r#"{"error":"Invalid API key"}"#);
    upstream.on("/", Behaviour::Answer(refused));
    let operator = Operator::start("[fetch]\nactive_symbols = []\n");
    let state = async || {
        let answer = operator.get("/v1/providers", KEY).await;
        let providers: Value = answer.json().await.expect("JSON");
        let providers = providers.as_array().expect("a list").iter();
        let name = |provider: &&Value| provider["name"] == "finnhub";
        providers.clone().find(name).expect("listed")["enabled"].as_bool().expect("yes or no")
    };
    let with_key = |key: &str| {
        let url = upstream.url();
        operator.write(
            "settings.toml",
            &format!(
                "[fetch]\nactive_symbols = []\n\
                 [providers.finnhub]\napi_key = \"{key}\"\nbase_url = \"{url}\"\n"
            ),
        );
    };
    let quote =
        async || operator.get("/prices/latest?symbol=AAPL&provider=finnhub", KEY).await.status();
    assert!(!state().await, "it has no key");

    with_key("a-wrong-key");
    operator.eventually("it is on", &state).await;
    assert_ne!(quote().await, 200);
    let n_asked = upstream.requests().len();
    assert!(n_asked > 0);
    assert_ne!(quote().await, 200);
    assert_eq!(upstream.requests().len(), n_asked, "a refused key is not tried again");

    let now = std::time::UNIX_EPOCH.elapsed().expect("after 1970").as_secs();
    let price =
        format!(r#"{{"c":187.5,"d":1,"dp":1,"h":188,"l":186,"o":187,"pc":186.5,"t":{now}}}"#);
    upstream.on("/", Behaviour::Answer(Canned::new(200, "application/json", price)));
    with_key("a-right-key");
    operator.eventually("a price", async || quote().await == 200).await;
    let last = upstream.requests().pop().expect("a request");
    assert_eq!(last.header("x-finnhub-token"), Some("a-right-key"));
    let log = operator.service.log().join("\n");
    assert!(!log.contains("a-right-key") && !log.contains("a-wrong-key"), "{log}");
    let (changed, outcome) = operator.trail().await.pop().expect("an entry");
    assert_eq!((changed.as_str(), outcome.as_str()), ("providers.finnhub.api_key", "done"));
}
