//! Builds the dashboard into the directory that `src/http/dashboard.rs` embeds.
//!
//! With npm at hand, `web/dist` is built when a source is newer than it; whatever is wrong with
//! that, the service itself still builds, with a page in the dashboard's place that tells how to
//! get it. Nothing is written but `$OUT_DIR`, `web/dist` and `web/node_modules`.
//!
//! `TICKERD_SKIP_WEB=1` leaves npm alone and embeds `web/dist` as it is, if it is there.

use std::error::Error;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;
use std::{env, fs};

/// What the bundle is made of, below `web/`.
const SOURCES: [&str; 8] = [
    "src",
    "public",
    "scripts",
    "index.html",
    "package.json",
    "package-lock.json",
    "tsconfig.json",
    "vite.config.ts",
];

fn main() -> Result<(), Box<dyn Error>> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let web = root.join("web");
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=TICKERD_SKIP_WEB");
    for source in SOURCES.iter().filter(|source| web.join(source).exists()) {
        println!("cargo:rerun-if-changed=web/{source}");
    }

    let embedded = out.join("dashboard");
    if embedded.exists() {
        fs::remove_dir_all(&embedded)?;
    }
    match bundle(&web, &out) {
        Ok(dist) => copy(&dist, &embedded)?,
        Err(reason) => {
            println!("cargo:warning=the dashboard is not built in: {reason}");
            fs::create_dir_all(&embedded)?;
            fs::write(embedded.join("index.html"), page(&reason))?;
        }
    }
    let folder = embedded.to_str().ok_or("the build directory's name is not UTF-8")?;
    fs::write(
        out.join("files.rs"),
        format!("#[derive(RustEmbed)]\n#[folder = {folder:?}]\nstruct Files;\n"),
    )?;
    Ok(())
}

/// The built dashboard, or why there is none.
fn bundle(web: &Path, out: &Path) -> Result<PathBuf, String> {
    let dist = web.join("dist");
    let built = modified(&dist.join("index.html"));
    if env::var_os("TICKERD_SKIP_WEB").is_some_and(|skip| skip == OsStr::new("1")) {
        return match built {
            Some(_) => Ok(dist),
            None => Err("TICKERD_SKIP_WEB=1 was set, and web/dist is empty".into()),
        };
    }
    let sources = SOURCES.iter().filter_map(|source| newest(&web.join(source))).max();
    let Some(sources) = sources else { return Err("the directory web/ is not here".into()) };
    if built.is_some_and(|built| built >= sources) {
        return Ok(dist);
    }
    // npm writes this file at the end of an installation.
    let installed = modified(&web.join("node_modules/.package-lock.json"));
    if installed.is_none() || installed < modified(&web.join("package-lock.json")) {
        npm(web, out, &["ci"])?;
    }
    if let Err(reason) = npm(web, out, &["run", "build"]) {
        // What a failed build leaves behind must not look fresh to the next one.
        let _ = fs::remove_file(dist.join("index.html"));
        return Err(reason);
    }
    Ok(dist)
}

fn npm(web: &Path, out: &Path, arguments: &[&str]) -> Result<(), String> {
    let command = format!("npm {}", arguments.join(" "));
    let output = Command::new(if cfg!(windows) { "npm.cmd" } else { "npm" })
        .args(arguments)
        .current_dir(web)
        .env("npm_config_cache", out.join("npm-cache"))
        .env("npm_config_update_notifier", "false")
        // Without a network this fails in seconds, and not after npm's three long tries.
        .env("npm_config_fetch_retries", "1")
        .env("npm_config_fetch_retry_mintimeout", "1000")
        .output()
        .map_err(|error| {
            // A file that is never there: every build looks again whether npm has been installed.
            println!("cargo:rerun-if-changed={}", out.join("npm").display());
            format!("`{command}` cannot be run: {error}")
        })?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    for line in said.lines().filter(|line| !line.trim().is_empty()).take(20) {
        println!("cargo:warning={line}");
    }
    Err(format!("`{command}` failed ({})", output.status))
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|metadata| metadata.modified()).ok()
}

/// When a file, or anything in a directory, was last changed.
fn newest(path: &Path) -> Option<SystemTime> {
    let children = fs::read_dir(path).into_iter().flatten().flatten();
    children.filter_map(|child| newest(&child.path())).chain(modified(path)).max()
}

fn copy(from: &Path, to: &Path) -> Result<(), Box<dyn Error>> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

/// Stands in for the dashboard. It has no style of its own: the policy allows none in the page.
fn page(reason: &str) -> String {
    let reason = reason.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>tickerd</title>\n</head>\n\
         <body>\n<h1>tickerd runs, without its dashboard</h1>\n\
         <p>This binary was built without it: {reason}.</p>\n\
         <p>Install Node.js 20.19 or later with npm, then build again:</p>\n\
         <pre>touch build.rs\ncargo build --release</pre>\n\
         <p>The API works as it is: see <a href=\"/docs\">its documentation</a>.</p>\n\
         </body>\n</html>\n"
    )
}
