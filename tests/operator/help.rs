//! What the command line tells about itself.

use clap::Command;
use tickerd::app::cli::teach;

use crate::golden::assert_current;
use crate::service::tickerd;

/// The help of a command and of everything below it.
fn helps(command: &mut Command, into: &mut String) {
    into.push_str(&format!("$ {} --help\n", command.get_bin_name().unwrap_or("tickerd")));
    into.push_str(&command.render_long_help().to_string());
    into.push('\n');
    for verb in command.get_subcommands_mut().filter(|verb| verb.get_name() != "help") {
        helps(verb, into);
    }
}

#[test]
fn the_help_is_the_golden_one() {
    let mut text = String::new();
    helps(&mut teach::command(), &mut text);
    assert_current("tests/golden/cli-help.txt", &text);
}

#[test]
fn manual_and_completions_know_every_verb() {
    let directory = tempfile::tempdir().expect("a directory");
    let pages = tickerd(&directory).args(["man", "."]).output().expect("run");
    assert!(pages.status.success(), "{pages:?}");
    let completions = tickerd(&directory).args(["completions", "bash"]).output().expect("run");
    let completions = String::from_utf8(completions.stdout).expect("text");
    let command = teach::command();
    for verb in command.get_subcommands().map(Command::get_name).filter(|name| *name != "help") {
        assert!(directory.path().join(format!("tickerd-{verb}.1")).is_file(), "{verb}");
        let name = verb.replace('-', "__subcmd__");
        assert!(completions.contains(&format!("__{name}\"")), "{verb}");
    }
}

#[test]
fn mistakes_have_the_exit_codes_of_the_manual() {
    let directory = tempfile::tempdir().expect("a directory");
    let code = |arguments: &[&str]| {
        let output = tickerd(&directory).args(arguments).output().expect("run");
        assert!(!output.stderr.contains(&0x1b), "colours without a terminal: {output:?}");
        output.status.code()
    };
    std::fs::write(
        directory.path().join("mixed.csv"),
        "symbol,timestamp,price\nA,2024-01-01T00:00:00Z,1\nA,soon,1\n",
    )
    .expect("written");
    for (arguments, expected) in [
        (&["config", "check"][..], 0),
        (&["export", "--symbol", "?"], 1),
        (&["backup", "verify", "nothing"], 1),
        (&["server"], 2),
        (&["keys", "create", "--role", "boss"], 2),
        (&["import", "mixed.csv"], 3),
    ] {
        assert_eq!(code(arguments), Some(expected), "{arguments:?}");
    }
}

#[test]
fn a_mistyped_data_directory_is_told_and_not_made() {
    let directory = tempfile::tempdir().expect("a directory");
    for line in [
        "audit verify",
        "audit head",
        "keys list",
        "keys revoke a81f03c20009",
        "dead-letters list",
        "export",
        "backup some.backup",
        "compact",
        "migrate --to full",
    ] {
        let mut command = tickerd(&directory);
        let output = command.args(line.split(' ')).args(["--data-dir", "mistyped"]).output();
        let output = output.expect("run");
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{line}: {told}");
        assert!(told.contains("there is no store"), "{line}: {told}");
        assert!(!directory.path().join("mistyped").exists(), "{line} made a store");
    }
}
