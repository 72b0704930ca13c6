//! The log: events on stderr, lowercase, facts as fields. Slide names, tokens and keys never get in.

use tracing_subscriber::EnvFilter;

use crate::settings::LogFormat;

/// Starts logging; `RUST_LOG` chooses what is logged.
pub(crate) fn start(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info,kube_client=warn"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match format {
        LogFormat::Json => builder.json().flatten_event(true).init(),
        LogFormat::Text => builder.init(),
    }
}

/// An error and everything under it, on one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        if let Some(said) = said_by_apiserver(cause) {
            return format!("{text}: {said}");
        }
        let cause_text = cause.to_string();
        // kube's errors print their source themselves; twice is noise.
        if !text.ends_with(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}

/// The apiserver's own words. kube's error shows the whole answer beside them.
fn said_by_apiserver<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a str> {
    let error = error.downcast_ref::<kube::Error>().or_else(|| error.downcast_ref::<Box<kube::Error>>().map(|e| &**e));
    match error? {
        kube::Error::Api(status) => Some(&status.message),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::Pod;

    use super::*;

    #[test]
    fn an_answer_of_the_apiserver_is_told_once_and_in_its_words() {
        let status = kube::core::Status::failure("exceeded quota: q", "Forbidden").with_code(403);
        let error = crate::write::Error::api::<Pod>("create", "a-head-1")(kube::Error::Api(status.boxed()));
        assert_eq!(chain(&error), "cannot create Pod a-head-1: exceeded quota: q");
    }
}
