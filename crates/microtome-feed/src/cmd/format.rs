//! Numbers and errors as people read them.

/// An error and its causes in one line. Causes that the text already holds are left out.
pub(super) fn chain(error: &anyhow::Error) -> String {
    error.chain().skip(1).fold(error.to_string(), |line, cause| {
        let cause = cause.to_string();
        if line.contains(&cause) { line } else { format!("{line}: {cause}") }
    })
}

/// `1843` as `1 843`.
pub(super) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> = digits.as_bytes().rchunks(3).rev().filter_map(|g| std::str::from_utf8(g).ok()).collect();
    groups.join(" ")
}

/// Bytes with a decimal unit, say `1.9 MB`.
pub(super) fn bytes(bytes: u64) -> String {
    let units = [("GB", 1e9), ("MB", 1e6), ("kB", 1e3)];
    let unit = units.into_iter().find(|(_, factor)| bytes as f64 >= *factor);
    unit.map_or_else(|| format!("{bytes} B"), |(name, factor)| format!("{:.1} {name}", bytes as f64 / factor))
}

/// `1 slide`, `2 slides`.
pub(super) fn count(number: u64, noun: &str) -> String {
    let plural = match noun {
        "batch" | "patch" => format!("{noun}es"),
        noun => format!("{noun}s"),
    };
    if number == 1 { format!("1 {noun}") } else { format!("{} {plural}", thousands(number)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!([thousands(7), thousands(1843), thousands(1_000_000)], ["7", "1 843", "1 000 000"]);
        assert_eq!([bytes(12), bytes(1_938_955), bytes(64_000)], ["12 B", "1.9 MB", "64.0 kB"]);
        assert_eq!([count(1, "slide"), count(2, "batch")], ["1 slide", "2 batches"]);
    }

    #[test]
    fn a_chain_says_each_cause_once() {
        let error = anyhow::Error::msg("no such file").context("a.yaml: cannot be read");
        assert_eq!(chain(&error), "a.yaml: cannot be read: no such file");
        assert_eq!(
            chain(&error.context("a.yaml: cannot be read: no such file")),
            "a.yaml: cannot be read: no such file"
        );
    }
}
