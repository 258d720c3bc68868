//! The gateway between voice agents and calendars.

fn main() -> std::process::ExitCode {
    frontdesk::cli::run()
}
