//! Where a secret comes from, and how it is fetched from there.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use frontdesk_core::sensitive::Secret;

use crate::config::problems::Problem;
use crate::config::reader::Field;

const EXPECTED: &str = "env:NAME, file:PATH or the secret itself";

/// Where a secret comes from, as configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretSource {
    /// `env:NAME`: an environment variable.
    Env(String),
    /// `file:PATH`: a file, relative to the current folder.
    File(PathBuf),
    /// The text itself.
    Literal(Secret),
}

/// What a source gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolved {
    /// The secret.
    Value(Secret),
    /// The variable, the file or the text is absent or empty.
    Unset {
        /// Which one, for the operator.
        warning: String,
    },
}

/// Looks a variable of the environment up.
pub type Env<'a> = dyn Fn(&str) -> Option<String> + 'a;

/// Reads a file.
pub type ReadFile<'a> = dyn Fn(&Path) -> io::Result<String> + 'a;

impl SecretSource {
    /// Reads `env:NAME`, `file:PATH`, or takes the text as the secret itself. `None` for a name or a
    /// path that cannot be one.
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(name) = text.strip_prefix("env:") {
            let lawful = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
            let begins = name.bytes().next().is_some_and(|byte| !byte.is_ascii_digit());
            return (lawful && begins).then(|| Self::Env(name.to_owned()));
        }
        if let Some(path) = text.strip_prefix("file:") {
            let lawful = !path.trim().is_empty() && !path.contains('\0');
            return lawful.then(|| Self::File(PathBuf::from(path)));
        }
        Some(Self::Literal(Secret::new(text)))
    }

    /// Fetches the secret. White space around what a variable or a file holds does not belong to it;
    /// a literal is taken as it is. Absent and empty are [`Resolved::Unset`]; a file that is there but
    /// cannot be read is a problem at `key`.
    pub fn resolve(&self, key: &str, env: &Env<'_>, read: &ReadFile<'_>) -> Result<Resolved, Problem> {
        let text = match self {
            Self::Env(name) => env(name).map(|text| text.trim().to_owned()),
            Self::Literal(secret) => Some(secret.expose().to_owned()),
            Self::File(path) => match read(path) {
                Ok(text) => Some(text.trim().to_owned()),
                Err(error) if error.kind() == io::ErrorKind::NotFound => None,
                Err(error) => return Err(problem(key, format!("{self}, which cannot be read ({error})"), "a readable file")),
            },
        };
        match text {
            Some(text) if text.chars().any(char::is_control) => {
                Err(problem(key, format!("control characters in {self}"), "a secret on a single line"))
            }
            Some(text) if !text.is_empty() => Ok(Resolved::Value(Secret::new(text))),
            Some(_) => Ok(Resolved::Unset { warning: format!("{key}: {self} is empty") }),
            None => Ok(Resolved::Unset { warning: format!("{key}: {self} is not set") }),
        }
    }

    /// Reads a source; an empty text is none.
    pub(crate) fn optional(field: Option<Field<'_>>) -> Option<Self> {
        let source = field?.parsed_unseen(EXPECTED, Self::parse)?;
        match &source {
            Self::Literal(secret) if secret.is_empty() => None,
            _ => Some(source),
        }
    }

    /// Reads a source; an empty text is a literal that resolves to nothing.
    pub(crate) fn read(field: Option<Field<'_>>) -> Option<Self> {
        field?.parsed_unseen(EXPECTED, Self::parse)
    }
}

impl fmt::Display for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "env:{name}"),
            Self::File(path) => write!(f, "file:{}", path.display()),
            Self::Literal(_) => f.write_str("the literal"),
        }
    }
}

impl Resolved {
    /// The secret, if there is one.
    pub fn into_value(self) -> Option<Secret> {
        match self {
            Self::Value(secret) => Some(secret),
            Self::Unset { .. } => None,
        }
    }

    /// What to tell the operator, if there is none.
    pub fn warning(&self) -> Option<&str> {
        match self {
            Self::Value(_) => None,
            Self::Unset { warning } => Some(warning),
        }
    }
}

fn problem(key: &str, found: String, expected: &str) -> Problem {
    Problem { file: String::new(), line: None, path: key.to_owned(), found, expected: expected.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(text: &str) -> Result<Resolved, Problem> {
        let env = |name: &str| match name {
            "KEY" => Some(" from_env\n".to_owned()),
            "EMPTY" => Some("  ".to_owned()),
            _ => None,
        };
        let read = |path: &Path| match path.to_str() {
            Some("key.txt") => Ok("from_file\n".to_owned()),
            Some("empty.txt") => Ok("\n".to_owned()),
            Some("two.txt") => Ok("one\ntwo\n".to_owned()),
            Some("locked.txt") => Err(io::Error::from(io::ErrorKind::PermissionDenied)),
            _ => Err(io::Error::from(io::ErrorKind::NotFound)),
        };
        SecretSource::parse(text).expect("a source").resolve("retell.api_key", &env, &read)
    }

    #[test]
    fn secrets_come_from_the_environment_a_file_or_the_text() {
        for (text, secret) in [("env:KEY", "from_env"), ("file:key.txt", "from_file"), (" as it is ", " as it is ")] {
            assert_eq!(resolve(text), Ok(Resolved::Value(Secret::new(secret))), "{text}");
        }
    }

    #[test]
    fn absent_and_empty_ones_are_unset_and_say_which() {
        for (text, warning) in [
            ("env:NONE", "retell.api_key: env:NONE is not set"),
            ("env:EMPTY", "retell.api_key: env:EMPTY is empty"),
            ("file:none.txt", "retell.api_key: file:none.txt is not set"),
            ("file:empty.txt", "retell.api_key: file:empty.txt is empty"),
            ("", "retell.api_key: the literal is empty"),
        ] {
            assert_eq!(resolve(text).expect("no problem").warning(), Some(warning), "{text}");
        }
    }

    #[test]
    fn unreadable_files_and_broken_secrets_are_problems() {
        assert_eq!(
            resolve("file:locked.txt").expect_err("locked").to_string(),
            "retell.api_key: found file:locked.txt, which cannot be read (permission denied), expected a readable file"
        );
        assert_eq!(
            resolve("file:two.txt").expect_err("two lines").to_string(),
            "retell.api_key: found control characters in file:two.txt, expected a secret on a single line"
        );
    }

    #[test]
    fn names_and_paths_that_cannot_be_are_no_sources() {
        for text in ["env:", "env:A-B", "env: A", "env:1A", "env:$A", "file:", "file: "] {
            assert_eq!(SecretSource::parse(text), None, "{text}");
        }
        assert_eq!(format!("{:?}", SecretSource::parse("sk_live")), "Some(Literal([secret]))");
    }
}
