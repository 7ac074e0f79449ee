//! Each verb does what it says, on a directory of its own and through a running service.

use std::process::Output;

use serde_json::Value;
use tempfile::TempDir;

use crate::service::{Service, tickerd};

const PRICES: &str = "symbol,timestamp,price,volume,external_id\n\
    AAPL,2024-01-02T15:00:00Z,189.84,10,\"a,1\"\n\
    AAPL,2024-01-02T15:01:00Z,189.90,,\n\
    BTC-USD,2024-01-02T15:00:30Z,42000.000000000001,0.5,\n";

fn directory() -> TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::write(directory.path().join("prices.csv"), PRICES).expect("written");
    directory
}

fn run(directory: &TempDir, line: &str) -> Output {
    tickerd(directory).args(line.split(' ')).output().expect("run")
}

/// What a verb that worked has written.
fn text(directory: &TempDir, line: &str) -> String {
    let output = run(directory, line);
    assert!(output.status.success(), "{line}: {output:?}");
    String::from_utf8(output.stdout).expect("text")
}

fn json(directory: &TempDir, line: &str) -> Value {
    let text = text(directory, line);
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{line}: {error}: {text}"))
}

/// What a verb that failed has said.
fn refusal(directory: &TempDir, line: &str) -> String {
    let output = run(directory, line);
    assert_eq!(output.status.code(), Some(1), "{line}: {output:?}");
    String::from_utf8(output.stderr).expect("text")
}

#[test]
fn what_is_imported_is_exported_and_imports_as_nothing_new() {
    let directory = directory();
    let report = json(&directory, "import prices.csv --json");
    assert_eq!((&report["stored"], &report["rejected"]), (&3.into(), &0.into()), "{report}");
    text(&directory, "export -o all.csv");
    let exported = std::fs::read_to_string(directory.path().join("all.csv")).expect("read");
    assert!(exported.contains("42000.000000000001") && exported.contains("\"a,1\""), "{exported}");
    text(&directory, "import all.csv --data-dir other --id-column external_id");
    assert_eq!(text(&directory, "export --data-dir other"), exported);
    let again = text(&directory, "import prices.csv");
    assert!(again.contains("0 stored, 3 duplicates, 0 rejected"), "{again}");
    let lines = text(
        &directory,
        "export --format ndjson --symbol AAPL --from 2024-01-02T15:00:30Z --to 2024-01-03T00:00:00Z",
    );
    let row: Value = serde_json::from_str(&lines).expect("one line");
    assert_eq!(row["price"].to_string(), "189.9");
}

#[test]
fn an_import_through_a_service_reports_as_one_into_a_directory_does() {
    let service = Service::start(&[], &[]);
    std::fs::write(
        service.directory.path().join("mixed.csv"),
        "symbol,timestamp,price\nA,2024-01-01T00:00:00Z,1\nA,soon,1\nA,2024-01-01T00:00:00Z,1\n",
    )
    .expect("written");
    let reports = [format!("--url {}", service.base), "--data-dir aside".to_owned()].map(|place| {
        let output = run(&service.directory, &format!("import mixed.csv --json {place}"));
        assert_eq!(output.status.code(), Some(3), "{output:?}");
        serde_json::from_slice::<Value>(&output.stdout).expect("JSON")
    });
    assert_eq!(reports[0], reports[1]);
    assert_eq!(reports[0]["errors"][0]["line"], 3, "{}", reports[0]);
    let quotes = json(&service.directory, &format!("quote A --json --url {}", service.base));
    assert_eq!(
        (&quotes["quotes"][0]["price"], &quotes["quotes"][0]["stale"]),
        (&1.into(), &true.into())
    );
}

#[test]
fn keys_are_made_listed_and_revoked_in_a_directory_and_through_a_service() {
    let service = Service::start(&[], &[]);
    let directory = &service.directory;
    let admin = text(directory, &format!("keys create --role admin --url {}", service.base));
    let through = format!("--url {} --key {}", service.base, admin.trim());
    let refused = refusal(directory, &format!("keys list --url {}", service.base));
    assert!(refused.contains("401"), "the first key closes the door: {refused}");
    for place in ["--data-dir aside", through.as_str()] {
        let made =
            json(directory, &format!("keys create --name desk --expires 90d --json {place}"));
        assert_eq!((&made["role"], &made["name"]), (&"read".into(), &"desk".into()));
        let id = made["id"].as_str().expect("an id");
        let secret = made["key"].as_str().expect("a key");
        let state_of = |wanted: &str| {
            let list = text(directory, &format!("keys list {place}"));
            assert!(!list.contains(secret), "{list}");
            let line = list.lines().find(|line| line.starts_with(id)).expect("it is listed");
            assert!(line.contains(wanted), "{line}");
        };
        state_of("expires 2");
        assert!(text(directory, &format!("keys revoke {id} {place}")).contains("is revoked"));
        state_of("revoked 2");
    }
    let nobody = refusal(directory, "keys revoke 000000000000 --data-dir aside");
    assert!(nobody.contains("no key 000000000000"), "{nobody}");
}

#[test]
fn an_audit_trail_is_checked_up_to_the_head_that_was_kept() {
    let directory = directory();
    text(&directory, "keys create");
    let kept = text(&directory, "audit head");
    text(&directory, "keys create");
    let head = json(&directory, "audit head --json");
    assert_eq!(head["sequence"], 2);
    let told = json(&directory, &format!("audit verify --json --head {}", kept.trim()));
    assert_eq!(
        (&told["ok"], &told["entries"], &told["hash"]),
        (&true.into(), &2.into(), &head["hash"])
    );
    // A trail that was made anew, and one whose end was cut off.
    let other = kept.trim().replace(['0', '1', '2'], "3");
    let cut_off = kept.trim().replacen("1:", "7:", 1);
    for head in [other.replacen("3:", "1:", 1), cut_off] {
        let output = run(&directory, &format!("audit verify --head {head}"));
        assert_eq!(output.status.code(), Some(1), "{head}: {output:?}");
        assert!(!output.stdout.is_empty(), "{output:?}");
    }
}

#[test]
fn a_backup_is_the_same_from_a_directory_and_from_a_service() {
    let directory = directory();
    text(&directory, "import prices.csv");
    let written = json(&directory, "backup one.backup --json");
    assert_eq!(written["prices"], 3);
    assert_eq!(json(&directory, "backup verify one.backup --json"), written);
    assert_eq!(json(&directory, "restore one.backup --data-dir restored --json"), written);
    assert_eq!(
        text(&directory, "export --data-dir restored"),
        text(&directory, "export"),
        "prices after a restore"
    );
    assert!(refusal(&directory, "restore one.backup --data-dir restored").contains("not empty"));
    assert!(refusal(&directory, "backup one.backup").contains("exists already"));

    let service = Service::start(&["--data-dir", "data"], &[]);
    std::fs::write(service.directory.path().join("prices.csv"), PRICES).expect("written");
    text(&service.directory, &format!("import prices.csv --url {}", service.base));
    let told = text(&service.directory, &format!("backup two.backup --url {}", service.base));
    assert!(told.starts_with("3 prices written"), "{told}");
    assert_eq!(json(&service.directory, "backup verify two.backup --json")["prices"], 3);
}

#[test]
fn a_store_is_measured_and_made_small() {
    let directory = directory();
    text(&directory, "import prices.csv");
    let measured = json(&directory, "compact --dry-run --json");
    assert_eq!((&measured["prices"], &measured["bytes_a_price"].is_number()), (&3.into(), &true));
    assert!(text(&directory, "compact --dry-run").contains("3 prices of"));
    let compacted = json(&directory, "compact --json");
    let size = |name: &str| compacted[name].as_u64().expect("bytes");
    assert!(size("bytes_after") <= size("bytes_before"), "{compacted}");
    assert!(text(&directory, "compact").contains("bytes before"));
    assert_eq!(json(&directory, "migrate --schema-only --json")["backend"], "redb");
    assert!(text(&directory, "migrate --schema-only").contains("schema version"));
}

#[test]
fn a_service_is_asked_how_it_is_by_its_address_and_by_the_configuration() {
    let service = Service::start(&[], &[]);
    let port = service.base.rsplit(':').next().expect("a port");
    let by_address = json(&service.directory, &format!("health --json --url {}", service.base));
    assert_eq!(by_address["status"], "ready");
    let mut by_configuration = tickerd(&service.directory);
    let told = by_configuration.env("PORT", port).arg("health").output().expect("run");
    assert_eq!(String::from_utf8_lossy(&told.stdout), "ready\n");
    let away = refusal(&service.directory, "health --url http://127.0.0.1:1");
    assert!(away.contains("does not answer: ") && away.contains("refused"), "{away}");
    let letters =
        json(&service.directory, &format!("dead-letters list --json --url {}", service.base));
    assert_eq!(letters, Value::Array(Vec::new()));
}

#[test]
fn settings_are_shown_with_who_set_them_and_without_secrets() {
    let directory = directory();
    let show = |arguments: &[&str]| {
        let mut command = tickerd(&directory);
        command.env("FINNHUB_API_KEY", "a-secret-of-the-test").env("LOG_LEVEL", "warn");
        let output = command.args(["config", "show"]).args(arguments).output().expect("run");
        String::from_utf8(output.stdout).expect("text")
    };
    let table = show(&[]);
    assert!(table.contains("log.level = \"warn\"  # environment LOG_LEVEL"), "{table}");
    assert!(!table.contains("a-secret-of-the-test"), "{table}");
    let object: Value = serde_json::from_str(&show(&["--json"])).expect("JSON");
    assert_eq!(object["providers.finnhub.api_key"]["value"], "***");
    assert_eq!(object["providers.finnhub.api_key"]["origin"], "environment FINNHUB_API_KEY");
}
