//! Which object a word on the command line means.

use std::fmt;
use std::str::FromStr;

/// A job, or a standing cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reference {
    /// `NAME` or `patchjob/NAME`.
    Job(String),
    /// `patchcluster/NAME`.
    Cluster(String),
}

impl FromStr for Reference {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('/') {
            None if text.is_empty() => Err("a name is missing".to_owned()),
            None => Ok(Self::Job(text.to_owned())),
            Some((_, "")) => Err(format!("{text:?} has no name after the /")),
            Some((kind, name)) => match kind.split('.').next().unwrap_or_default() {
                "patchjob" | "patchjobs" => Ok(Self::Job(name.to_owned())),
                "patchcluster" | "patchclusters" => Ok(Self::Cluster(name.to_owned())),
                _ => Err(format!("{kind:?} is neither patchjob nor patchcluster")),
            },
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Job(name) => write!(formatter, "patchjob/{name}"),
            Self::Cluster(name) => write!(formatter, "patchcluster/{name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_jobs_unless_they_say_otherwise() {
        let parsed = |text: &str| text.parse::<Reference>();
        assert_eq!(parsed("a"), Ok(Reference::Job("a".to_owned())));
        assert_eq!(parsed("patchjob.microtome.dev/a"), Ok(Reference::Job("a".to_owned())));
        assert_eq!(parsed("patchcluster/b").unwrap().to_string(), "patchcluster/b");
        assert_eq!(parsed("pod/b"), Err("\"pod\" is neither patchjob nor patchcluster".to_owned()));
        assert!(parsed("patchjob/").is_err() && parsed("").is_err());
    }
}
