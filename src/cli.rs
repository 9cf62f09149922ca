//! The command line.

mod bench;
mod convert;
mod dead;
mod demo;
mod doctor;
mod eval;
mod fields;
mod find;
mod keys;
mod kinds;
mod man;
mod models;
mod named;
mod once;
mod outside;
mod print;
mod reached;
mod reindex;
mod reload;
mod replay;
mod review;
mod running;
mod schema;
mod send;
mod store;
mod tend;
mod top;
mod which;
mod wish;

use crate::config::{self, Config, Loaded, Sources};
use crate::metrics::Metrics;
use crate::sandbox;
use anyhow::{Context, Result};
use clap::{Args, CommandFactory, Parser, Subcommand};
use std::collections::HashMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

const AFTER_HELP: &str = "\
First minutes:
  quire models fetch            fetch the default models (pinned, checksummed)
  quire doctor                  check that everything needed is there
  quire run                     watch data/inbox, understand what is dropped there, serve the API
  quire send scans/ report.pdf  put documents into the inbox, in another terminal
  quire search 'late delivery'  find documents by meaning and by words

Settings come from src/default.toml, then quire.toml, then QUIRE_SECTION__KEY in the environment,
then --set section.key=value. Secrets are not given by --set: QUIRE_SECTION__KEY_FILE names a file with one.
`quire config show` prints each with where it came from.";

/// Documents in, understood documents out, found again.
///
/// quire reads scans, PDFs, office files, mails, web pages and text, understands them with models
/// (embeddings, names, tone, kind, summary) and finds them again by meaning. A document is never
/// lost and never done twice, whatever is killed.
#[derive(Parser)]
#[command(name = "quire", version, after_help = AFTER_HELP, max_term_width = 100)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

#[derive(Args)]
struct Global {
    /// Configuration file; without it ./quire.toml is read if there is one
    #[arg(long, short, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Set one setting, as digitize.languages=eng+fra; may be given several times
    #[arg(long = "set", global = true, value_name = "SECTION.KEY=VALUE")]
    set: Vec<String>,
    /// Folder for everything that quire keeps (the setting data.dir)
    #[arg(long, short, global = true, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Print JSON instead of text
    #[arg(long, global = true)]
    json: bool,
    /// How much to log: error, warn, info, debug or trace (the setting telemetry.log)
    #[arg(long, global = true, value_name = "LEVEL")]
    log: Option<String>,
}

#[derive(Subcommand)]
enum Command {
    /// Understand what comes into the inbox and serve the API, until stopped
    ///
    /// Files dropped into data/inbox (or its folders high/ and low/) go to working/, then to done/
    /// with a result in results/, or to dead/ with a cause. Stop with Ctrl-C: what is in flight is
    /// finished first; what is not is taken up at the next start.
    Run(running::RunArgs),
    /// Run a folder of documents through the pipeline, show what was understood, ask two questions
    Demo(demo::DemoArgs),
    /// Put files or folders into the topics or the inbox, or send them over HTTP
    Send(send::SendArgs),
    /// Convert documents to text, Markdown or JSON; no models are needed
    ///
    /// Reads what `quire run` reads, in the same sandbox, by OCR where there is no text. Fails (1) if any file
    /// could not be read, after the others were; each failure names file, stage and remedy.
    Convert(convert::ConvertArgs),
    /// How much is stored, waiting, in flight and dead, and the tasks by the clock; or where one document is
    Status(find::StatusArgs),
    /// Read and understand stored documents again, as the settings or these options say
    ///
    /// Asks the API of a running quire, which takes them from done/ or from their topics.
    Reprocess(wish::ReprocessArgs),
    /// Leave documents that wait or are on their way; asks the API of a running quire
    Cancel(wish::CancelArgs),
    /// Change how urgent documents are that wait; asks the API of a running quire
    Priority(wish::PriorityArgs),
    /// Find documents by meaning and by words, or like another document
    Search(find::SearchArgs),
    /// Documents that were given up: list them, look at one, send them once more
    #[command(subcommand)]
    Dead(dead::DeadCommand),
    /// Write what is stored to files: lines of JSON, or Parquet
    ///
    /// A folder holds parts and a cursor. Run again, it goes on where it was; when it was done, it adds
    /// what came since, and the last ten minutes once more.
    Export(tend::ExportArgs),
    /// Back the data folder up while quire runs, or check a backup
    ///
    /// Each backup is whole in itself; files that did not change are linked to the one before.
    Backup(tend::BackupArgs),
    /// Bring a backup back into an empty data folder, checked by its checksums
    Restore(tend::RestoreArgs),
    /// Delete what is older than the rules allow; without --apply only say what would go
    Retain(tend::RetainArgs),
    /// Volume, failures, quality, review and cost by day, as HTML or JSON
    Report(tend::ReportArgs),
    /// Tasks of a running quire: how they stand, start one, cancel one
    Tasks(tend::tasks::TasksArgs),
    /// Watch a running quire: stages, queues, lag, failures, what is in flight
    Top(top::TopArgs),
    /// Send once more what was sent to a topic since some time, or from an offset on
    ///
    /// Records keep their time of sending, so that none replaces what was sent later. What the store has
    /// as it is, is left alone, unless --force says so.
    Replay(replay::ReplayArgs),
    /// Doubtful documents: who works on them, what is decided about them
    ///
    /// Asks the API of a running quire.
    #[command(subcommand)]
    Review(review::ReviewCommand),
    /// Understand what is stored again with the configured models, and change over to it
    ///
    /// With Qdrant, readers and workers of the old model go on meanwhile; workers of the old model
    /// stop when the new one is active. In the local store no worker may run, and documents are found
    /// by their words until they have new vectors. Run again, it goes on where it was.
    Reindex(reindex::ReindexArgs),
    /// The models: what they are, fetch them, verify them
    #[command(subcommand)]
    Models(models::ModelsCommand),
    /// Kinds of documents: learn your own from a folder of examples, or measure how well kinds are told
    #[command(subcommand)]
    Kinds(kinds::KindsCommand),
    /// Fields, checks and rules: try a file of your own on documents, or show what is built in
    #[command(subcommand)]
    Fields(fields::FieldsCommand),
    /// API keys: who may ask what of a running quire
    #[command(subcommand)]
    Keys(keys::KeysCommand),
    /// Measure how fast this machine encodes, reads and understands
    #[command(subcommand)]
    Bench(bench::BenchCommand),
    /// Check everything that quire needs, and say what to do about what is missing
    Doctor,
    /// The configuration
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Print the JSON schema of what is in a topic
    ///
    /// They are also in docs/schema/, and docs/topics.md says what the topics are for.
    Schema {
        /// Of what
        name: schema::SchemaName,
    },
    /// Print a completion script for your shell
    ///
    /// For example: quire completions bash > /etc/bash_completion.d/quire
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
    /// Write manual pages into a folder
    Man {
        /// The folder
        folder: PathBuf,
    },
    #[command(name = sandbox::CHILD_COMMAND, hide = true)]
    SandboxChild,
}

#[derive(Subcommand)]
enum ConfigCommand {
    /// Every setting with its value and where it came from
    Show,
}

/// What every command gets: built once, here.
pub struct App {
    /// The settings.
    pub config: Config,
    loaded: Loaded,
    /// Where the settings come from, to read them once more.
    sources: Sources,
    /// What is logged.
    log: crate::telemetry::Log,
    /// The metrics.
    pub metrics: Arc<Metrics>,
    /// Whether to print JSON.
    pub json: bool,
    /// The environment, for credentials of object stores.
    pub variables: HashMap<String, String>,
}

/// Runs the program.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    if matches!(cli.command, Command::SandboxChild) {
        return match sandbox::child::serve() {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        };
    }
    match run(cli) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("quire: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> Result<ExitCode> {
    let sources = sources(&cli.global)?;
    let loaded = config::load(&sources)?;
    let variables: HashMap<String, String> = std::env::vars().collect();
    let secrets = crate::telemetry::Secrets::default();
    secrets.learn(loaded.secrets.iter().chain(credentials(&variables)).map(String::as_str));
    let log = crate::telemetry::start(&loaded.config.telemetry, secrets).map_err(anyhow::Error::msg)?;
    let context = App {
        config: loaded.config.clone(),
        loaded,
        sources,
        log,
        metrics: Arc::new(Metrics::new()),
        json: cli.global.json,
        variables,
    };
    match cli.command {
        Command::Run(args) => running::run(&context, &args),
        Command::Demo(args) => demo::demo(&context, &args),
        Command::Send(args) => send::send(&context, &args),
        Command::Convert(args) => convert::convert(&context, &args),
        Command::Status(args) => find::status(&context, &args),
        Command::Reprocess(args) => wish::reprocess(&context, &args),
        Command::Cancel(args) => wish::cancel(&context, &args),
        Command::Priority(args) => wish::priority(&context, &args),
        Command::Search(args) => find::search(&context, &args),
        Command::Dead(command) => dead::dead(&context, &command),
        Command::Export(args) => tend::export(&context, &args),
        Command::Backup(args) => tend::backup(&context, &args),
        Command::Restore(args) => tend::restore(&context, &args),
        Command::Retain(args) => tend::retain(&context, &args),
        Command::Report(args) => tend::report(&context, &args),
        Command::Top(args) => top::top(&context, &args),
        Command::Replay(args) => replay::replay(&context, &args),
        Command::Tasks(args) => tend::tasks::tasks(&context, &args),
        Command::Review(command) => review::review(&context, &command),
        Command::Reindex(args) => reindex::reindex(&context, &args),
        Command::Models(command) => models::models(&context, &command),
        Command::Kinds(command) => kinds::kinds(&context, &command),
        Command::Fields(command) => fields::fields(&context, &command),
        Command::Keys(command) => keys::keys(&context, &command),
        Command::Bench(command) => bench::bench(&context, &command),
        Command::Doctor => doctor::doctor(&context),
        Command::Config(ConfigCommand::Show) => show_config(&context),
        Command::Schema { name } => schema::schema(name),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "quire", &mut std::io::stdout());
            Ok(ExitCode::SUCCESS)
        }
        Command::Man { folder } => man::man(Cli::command(), &folder),
        Command::SandboxChild => Ok(ExitCode::FAILURE),
    }
}

/// What libraries read from the environment to show who they are.
fn credentials(variables: &HashMap<String, String>) -> impl Iterator<Item = &String> {
    let secret = |name: &str| {
        let words = ["SECRET", "PASSWORD", "TOKEN", "ACCESS_KEY", "STORAGE_KEY", "API_KEY", "OTLP_HEADERS"];
        words.iter().any(|word| name.contains(word))
    };
    // A short one is a switch.
    let path = |name: &str| name.ends_with("_FILE");
    variables
        .iter()
        .filter(move |(name, value)| secret(name) && !path(name) && value.len() >= 8)
        .map(|(_, value)| value)
}

fn sources(global: &Global) -> Result<Sources> {
    let usual = PathBuf::from("quire.toml");
    let file = global.config.clone().or_else(|| usual.exists().then_some(usual));
    let mut flags = Vec::new();
    let mut flag = |name: &str, key: &str, value: &str| {
        flags.push((name.to_owned(), key.to_owned(), value.to_owned()));
    };
    if let Some(dir) = &global.data_dir {
        flag("--data-dir", "data.dir", dir.to_str().context("--data-dir is not UTF-8")?);
    }
    if let Some(level) = &global.log {
        flag("--log", "telemetry.log", level);
    }
    for set in &sets(std::env::args(), &global.set) {
        let (key, value) =
            set.split_once('=').with_context(|| format!("--set {set}: expected SECTION.KEY=VALUE"))?;
        flag("--set", key.trim(), value.trim());
    }
    Ok(Sources { file, environment: std::env::vars().collect(), flags })
}

/// Every `--set`, in order. clap keeps those after the command's name only, and drops those before
/// it without a word, when there are both.
fn sets(arguments: impl Iterator<Item = String>, parsed: &[String]) -> Vec<String> {
    let mut sets = Vec::new();
    let mut arguments = arguments.skip(1).take_while(|argument| argument != "--");
    while let Some(argument) = arguments.next() {
        if argument == "--set" {
            sets.extend(arguments.next());
        } else if let Some(set) = argument.strip_prefix("--set=") {
            sets.push(set.to_owned());
        }
    }
    if sets.len() < parsed.len() { parsed.to_vec() } else { sets }
}

fn show_config(context: &App) -> Result<ExitCode> {
    let settings = context.loaded.settings();
    if context.json {
        print::json(&settings)?;
    } else {
        let rows = settings.iter().map(|s| vec![s.key.clone(), s.value.clone(), s.origin.clone()]);
        print::table(&["setting", "value", "from"], rows.collect());
    }
    Ok(ExitCode::SUCCESS)
}
