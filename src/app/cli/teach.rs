//! What `--help` shows beside the flags: examples of every verb, and the exit codes.
//!
//! The examples are parsed by a test, so none of them can name a flag that does not exist.

use clap::{Command, CommandFactory};

use super::Cli;

/// Behind the help of the command itself.
const CLOSING: &str = "\
Settings come from built-in defaults < tickerd.toml < environment < flags; `tickerd config show`
tells every one of them and who set it.

Exit codes:
    0  done
    1  failed; the reason is on standard error
    2  wrong usage
    3  an import rejected some rows and took the others
  141  whoever read the output stopped reading, as of other programs in a pipe";

/// Examples of each verb: what they do, and the line to type.
const EXAMPLES: &[(&str, &[(&str, &str)])] = &[
    (
        "tickerd",
        &[
            ("Try it without network or keys", "tickerd serve --demo"),
            ("Serve what ./data holds", "tickerd"),
            ("Take history in", "tickerd import ticks.csv.gz --symbol BTC-USD"),
            ("Ask for a price", "tickerd quote AAPL BTC-USD EUR/USD"),
        ],
    ),
    (
        "serve",
        &[
            ("Real history and random walks, as if live", "tickerd serve --demo"),
            (
                "Another port and another data directory",
                "tickerd serve --port 9000 --data-dir /srv/tickerd",
            ),
            ("One part of a full-mode service", "tickerd serve --mode full --roles averager"),
        ],
    ),
    (
        "quote",
        &[
            (
                "From the running service, or else straight from store and providers",
                "tickerd quote AAPL",
            ),
            ("For programs", "tickerd quote AAPL BTC-USD --json"),
        ],
    ),
    (
        "import",
        &[
            ("Columns called symbol, timestamp and price", "tickerd import prices.csv"),
            (
                "Ticks with their own column names, gzipped",
                "tickerd import ticks.csv.gz --symbol BTC-USD --time-column ts --time-format unix-ms --price-column px --volume-column size",
            ),
            (
                "Through a running service, from a pipe",
                "tickerd import - --format ndjson --url http://127.0.0.1:8000",
            ),
        ],
    ),
    (
        "export",
        &[
            ("Everything", "tickerd export -o prices.csv"),
            (
                "One symbol, one day",
                "tickerd export --symbol AAPL --from 2024-06-03T00:00:00Z --to 2024-06-04T00:00:00Z --format ndjson",
            ),
        ],
    ),
    (
        "backup",
        &[
            ("Of a data directory that nobody has open", "tickerd backup tickerd.backup"),
            (
                "Of a service that is running",
                "tickerd backup tickerd.backup --url http://127.0.0.1:8000",
            ),
            ("Read one from end to end", "tickerd backup verify tickerd.backup"),
        ],
    ),
    (
        "restore",
        &[("Into an empty directory", "tickerd restore tickerd.backup --data-dir /srv/tickerd")],
    ),
    (
        "compact",
        &[
            ("Once much was deleted or imported, the service stopped", "tickerd compact"),
            ("How small the file would be, and how fast it grows", "tickerd compact --dry-run"),
        ],
    ),
    (
        "dead-letters",
        &[
            ("What was given up, and why", "tickerd dead-letters list"),
            ("Try it again", "tickerd dead-letters replay --all --url http://127.0.0.1:8000"),
            ("Forget one", "tickerd dead-letters drop 7 --reason bad-upload"),
        ],
    ),
    (
        "selftest",
        &[
            ("Kill the service 200 times under clients", "tickerd selftest --chaos --kills 200"),
            ("Watch its memory for ten minutes", "tickerd selftest --soak 10m"),
        ],
    ),
    (
        "keys",
        &[
            ("The first one", "tickerd keys create --role admin --name operator"),
            (
                "One that ends by itself, from a running service",
                "tickerd keys create --expires 90d --url http://127.0.0.1:8000",
            ),
            ("Who has which", "tickerd keys list"),
            ("Refuse one from now on", "tickerd keys revoke a81f03c20009"),
        ],
    ),
    (
        "audit",
        &[
            ("Find what was removed, altered or moved", "tickerd audit verify"),
            ("To be kept elsewhere", "tickerd audit head"),
        ],
    ),
    (
        "migrate",
        &[
            ("How much would be copied", "tickerd migrate --to full --dry-run"),
            ("From the file to PostgreSQL, both services stopped", "tickerd migrate --to full"),
        ],
    ),
    (
        "config",
        &[
            (
                "Every mistake at once, without starting",
                "tickerd config check --config tickerd.toml",
            ),
            ("Every setting and who set it", "tickerd config show"),
        ],
    ),
    ("openapi", &[("For a code generator", "tickerd openapi")]),
    (
        "health",
        &[
            ("The configured service", "tickerd health"),
            ("Another one", "tickerd health --url http://10.0.0.5:8000 --json"),
        ],
    ),
    ("doctor", &[("Who can be asked for prices, and who not, and why", "tickerd doctor")]),
    ("completions", &[("For bash", "tickerd completions bash")]),
    (
        "man",
        &[
            ("Read it", "tickerd man"),
            ("Install one page a verb", "tickerd man /usr/local/share/man/man1"),
        ],
    ),
];

/// The command line with its examples.
pub fn command() -> Command {
    let mut command = Cli::command().mut_subcommands(flags_anywhere);
    command.build();
    for (verb, examples) in EXAMPLES {
        let text = shown(examples);
        command = match *verb {
            "tickerd" => command.after_help(format!("{text}\n\n{CLOSING}")),
            verb => command.mut_subcommand(verb, |command| command.after_help(text)),
        };
    }
    command
}

/// Lets the flags of a verb that has verbs of its own stand behind those too, where people type
/// them: `keys create --data-dir D`.
fn flags_anywhere(verb: Command) -> Command {
    if verb.is_subcommand_required_set() { verb.mut_args(|flag| flag.global(true)) } else { verb }
}

fn shown(examples: &[(&str, &str)]) -> String {
    let mut text = String::from("Examples:");
    for (what, line) in examples {
        text.push_str(&format!("\n  # {what}\n  {line}"));
    }
    text
}

#[cfg(test)]
mod tests {
    use clap::FromArgMatches;

    use super::*;

    #[test]
    fn every_verb_has_examples_that_parse() {
        let verbs = command();
        for verb in verbs.get_subcommands().map(Command::get_name).filter(|name| *name != "help") {
            assert!(EXAMPLES.iter().any(|(name, _)| *name == verb), "{verb} has no example");
        }
        for (_, line) in EXAMPLES.iter().flat_map(|(_, examples)| *examples) {
            let parsed = command().try_get_matches_from(line.split_whitespace());
            assert!(parsed.is_ok(), "{line}: {parsed:?}");
        }
    }

    #[test]
    fn flags_of_nested_verbs_stand_on_either_side() {
        for [verb, nested] in [
            ["keys", "create"],
            ["keys", "list"],
            ["audit", "verify"],
            ["audit", "head"],
            ["config", "check"],
            ["config", "show"],
            ["dead-letters", "list"],
        ] {
            let flags = ["--data-dir", "D", "--config", "C", "--json"];
            for line in [
                [&["tickerd", verb, nested][..], &flags].concat(),
                [&["tickerd", verb][..], &flags, &[nested]].concat(),
            ] {
                let cli = Cli::from_arg_matches(&command().get_matches_from(&line));
                let told = format!("{:?}", cli.expect("it parses"));
                for kept in [r#"Some("D")"#, r#"Some("C")"#, "json: true"] {
                    assert!(told.contains(kept), "{line:?}: {told}");
                }
            }
        }
    }
}
