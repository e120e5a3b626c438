//! The log: to standard error, in the form and as much of it as `[log]` says.

use std::panic;

use config::{Log, LogFormat, LogLevel};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, fmt};

/// Libraries that talk of their own affairs at levels where ours speak of blocks; prefixes of crate names.
const TALKATIVE: [&str; 3] = ["actix", "hyper", "mio"];

/// Starts logging. `RUST_LOG` is not looked at: one place says how the process logs, and it is the configuration.
///
/// # Errors
/// When logging was started before.
pub(crate) fn start(log: Log) -> anyhow::Result<()> {
    let layer = fmt::layer().with_writer(std::io::stderr);
    let layer: Box<dyn Layer<Registry> + Send + Sync> = match log.format {
        LogFormat::Text => layer.with_ansi(crate::view::Style::of_stderr().colour).boxed(),
        LogFormat::Json => layer.json().flatten_event(true).with_ansi(false).boxed(),
    };
    tracing_subscriber::registry().with(layer.with_filter(filter(log.level))).try_init()?;
    log_panics();
    Ok(())
}

fn filter(level: LogLevel) -> Targets {
    let ours = match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    let theirs = match ours {
        LevelFilter::TRACE => LevelFilter::DEBUG,
        LevelFilter::DEBUG => LevelFilter::INFO,
        quieter => quieter.min(LevelFilter::WARN),
    };
    // To actix's HTTP, whatever a port scanner sends is an error; the caller is told, and nobody else need know.
    let strangers = if ours >= LevelFilter::DEBUG { theirs } else { LevelFilter::OFF };
    let libraries = TALKATIVE.map(|library| (library, theirs));
    Targets::new().with_default(ours).with_targets(libraries).with_target("actix_http", strangers)
}

/// A panic, which the supervisor survives, is a line of the log like any other, in its form.
fn log_panics() {
    panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let payload = panic.payload();
        let text = payload.downcast_ref::<&str>().copied();
        let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
        let message = text.unwrap_or("no message");
        let backtrace = std::backtrace::Backtrace::capture();
        let backtrace = match backtrace.status() {
            std::backtrace::BacktraceStatus::Captured => backtrace.to_string(),
            _ => "set RUST_BACKTRACE=1 to have one".into(),
        };
        tracing::error!(place, backtrace, "panic: {message}");
    }));
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing::Level;

    #[test]
    fn libraries_say_one_level_less_than_our_own_crates() {
        for (level, ours, theirs) in [
            (LogLevel::Error, Level::ERROR, Level::ERROR),
            (LogLevel::Warn, Level::WARN, Level::WARN),
            (LogLevel::Info, Level::INFO, Level::WARN),
            (LogLevel::Debug, Level::DEBUG, Level::INFO),
            (LogLevel::Trace, Level::TRACE, Level::DEBUG),
        ] {
            let filter = filter(level);
            for shown in [Level::ERROR, Level::WARN, Level::INFO, Level::DEBUG, Level::TRACE] {
                assert_eq!(filter.would_enable("relay::nodes", &shown), shown <= ours, "{level} {shown}");
                assert_eq!(
                    filter.would_enable("actix_server::builder", &shown),
                    shown <= theirs,
                    "{level} {shown}"
                );
            }
        }
    }
}
