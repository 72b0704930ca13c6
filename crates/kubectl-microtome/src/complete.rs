//! What may come next on a command line: read off clap's own description of it. Pure.

use clap::{Arg, Command};

/// Words that may come next, with what they mean, and where others are to be had.
#[derive(Debug, PartialEq)]
pub(crate) struct Offer {
    /// Word and meaning.
    pub(crate) words: Vec<(String, String)>,
    /// Where more come from.
    pub(crate) source: Source,
}

/// Where words come from that the command line does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// Names of jobs.
    Jobs,
    /// Names of what has a head: jobs and clusters.
    Heads,
    /// Contexts of the kubeconfig.
    Contexts,
    /// Files, which the shell knows best.
    Files,
    /// None.
    Nothing,
}

/// Cobra's, which kubectl reads: the shell is to add nothing of its own.
const NO_FILES: &str = ":4";
/// The shell may offer files.
const FILES: &str = ":0";

/// What may stand in place of the last of the words.
pub(crate) fn offer(mut command: Command, words: &[String]) -> Offer {
    command.build();
    let (typed, before) = words.split_last().map_or(("", &[][..]), |(last, before)| (last.as_str(), before));
    let mut state = State { command: &command, positionals: 0, wants_value: None, is_over: false };
    before.iter().for_each(|word| state.pass(word));
    if state.is_over {
        return Offer { words: Vec::new(), source: Source::Files };
    }
    if let Some(argument) = state.wants_value {
        return values(state.command, argument);
    }
    if let Some((flag, _)) = typed.split_once('=') {
        return match find(state.command, flag) {
            Some(argument) => {
                let Offer { words, source } = values(state.command, argument);
                let words = words.into_iter().map(|(word, help)| (format!("{flag}={word}"), help)).collect();
                Offer { words, source }
            }
            None => Offer { words: Vec::new(), source: Source::Nothing },
        };
    }
    if typed.starts_with('-') {
        return Offer { words: flags(state.command), source: Source::Nothing };
    }
    if state.command.has_subcommands() {
        return Offer { words: verbs(state.command), source: Source::Nothing };
    }
    let positionals: Vec<&Arg> = state.command.get_positionals().filter(|argument| !argument.is_last_set()).collect();
    let next = positionals.get(state.positionals).or_else(|| positionals.last().filter(|last| takes_many(last)));
    next.map_or(Offer { words: Vec::new(), source: Source::Nothing }, |argument| values(state.command, argument))
}

/// What kubectl reads: a word a line with its meaning, then what the shell may add.
pub(crate) fn answer(words: &[(String, String)], prefix: &str, source: Source) -> String {
    let mut text = String::new();
    for (word, help) in words.iter().filter(|(word, _)| word.starts_with(prefix)) {
        text += &if help.is_empty() { format!("{word}\n") } else { format!("{word}\t{help}\n") };
    }
    text + if source == Source::Files { FILES } else { NO_FILES } + "\n"
}

/// What was understood of the words before.
struct State<'a> {
    command: &'a Command,
    positionals: usize,
    /// The flag whose value comes next.
    wants_value: Option<&'a Arg>,
    /// After `--` everything is somebody else's.
    is_over: bool,
}

impl State<'_> {
    fn pass(&mut self, word: &str) {
        if self.is_over || self.wants_value.take().is_some() {
            return;
        }
        if word == "--" {
            self.is_over = true;
        } else if word.starts_with('-') {
            let flag = find(self.command, word);
            self.wants_value = flag.filter(|flag| flag.get_action().takes_values() && !flag.is_require_equals_set());
        } else if let Some(verb) = self.command.find_subcommand(word) {
            (self.command, self.positionals) = (verb, 0);
        } else {
            self.positionals += 1;
        }
    }
}

/// The flag that a word is; with `=` its value is in the word, and none comes next.
fn find<'a>(command: &'a Command, word: &str) -> Option<&'a Arg> {
    command.get_arguments().find(|argument| {
        let long = argument.get_long().is_some_and(|long| word.strip_prefix("--") == Some(long));
        let short =
            argument.get_short().is_some_and(|short| word.strip_prefix('-') == Some(short.to_string().as_str()));
        long || short
    })
}

fn takes_many(argument: &Arg) -> bool {
    argument.get_num_args().is_some_and(|range| range.max_values() > 1)
}

fn values(command: &Command, argument: &Arg) -> Offer {
    let possible = argument.get_possible_values();
    let word = |value: &clap::builder::PossibleValue| {
        (value.get_name().to_owned(), value.get_help().map(ToString::to_string).unwrap_or_default())
    };
    let words = possible.iter().filter(|value| !value.is_hide_set()).map(word).collect();
    let source = match (argument.get_id().as_str(), command.get_name()) {
        ("name" | "names", "attach") => Source::Heads,
        ("name" | "names", _) if argument.is_positional() => Source::Jobs,
        ("context", _) => Source::Contexts,
        ("filename" | "package" | "package_file" | "kubeconfig" | "file", _) => Source::Files,
        _ => Source::Nothing,
    };
    Offer { words, source }
}

fn flags(command: &Command) -> Vec<(String, String)> {
    let shown = command.get_arguments().filter(|argument| !argument.is_hide_set());
    let flag = |argument: &Arg| Some((format!("--{}", argument.get_long()?), help(argument.get_help())));
    shown.filter_map(flag).collect()
}

fn verbs(command: &Command) -> Vec<(String, String)> {
    let shown = command.get_subcommands().filter(|verb| !verb.is_hide_set());
    shown.map(|verb| (verb.get_name().to_owned(), help(verb.get_about()))).collect()
}

fn help(text: Option<&clap::builder::StyledStr>) -> String {
    text.map(ToString::to_string).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::cmd::Cli;

    fn offered(words: &[&str]) -> (Vec<String>, Source) {
        let words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
        let Offer { words: offered, source } = offer(Cli::command(), &words);
        let typed = words.last().map_or("", String::as_str);
        (offered.into_iter().map(|(word, _)| word).filter(|word| word.starts_with(typed)).collect(), source)
    }

    #[test]
    fn verbs_flags_and_values_are_offered() {
        let all = offered(&[""]).0;
        assert!(all.contains(&"submit".to_owned()) && !all.contains(&"__complete".to_owned()), "{all:?}");
        assert_eq!(offered(&["su"]).0, ["submit", "suspend"]);
        assert_eq!(offered(&["list", "--all"]).0, ["--all-namespaces"]);
        assert_eq!(offered(&["list", "-o", "y"]).0, ["yaml"]);
        assert_eq!(offered(&["list", "--output=js"]).0, ["--output=json"]);
        assert_eq!(offered(&["status", "--nam"]).0, ["--namespace"]);
    }

    #[test]
    fn names_are_offered_where_a_name_is_wanted() {
        assert_eq!(offered(&["-n", "x", "status", ""]).1, Source::Jobs);
        assert_eq!(offered(&["status", "a", ""]).1, Source::Nothing, "it takes one");
        assert_eq!(offered(&["stop", "a", ""]).1, Source::Jobs, "it takes several");
        assert_eq!(offered(&["attach", ""]).1, Source::Heads);
        assert_eq!(offered(&["submit", "-f", ""]).1, Source::Files);
        assert_eq!(offered(&["submit", "--name", ""]).1, Source::Nothing, "it is a new one");
        assert_eq!(offered(&["submit", "--", "python", ""]).1, Source::Files);
        assert_eq!(offered(&["--context", ""]).1, Source::Contexts);
    }

    #[test]
    fn kubectl_reads_words_meanings_and_what_the_shell_may_add() {
        let words =
            [("a".to_owned(), "what".to_owned()), ("ab".to_owned(), String::new()), ("c".to_owned(), String::new())];
        assert_eq!(answer(&words, "a", Source::Jobs), "a\twhat\nab\n:4\n");
        assert_eq!(answer(&[], "", Source::Files), ":0\n");
    }
}
