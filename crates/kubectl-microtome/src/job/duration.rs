//! Durations as people write them.

/// Seconds of `90`, `90s`, `30m`, `12h`, `2h30m` or `7d`.
pub(crate) fn seconds(text: &str) -> Result<i64, String> {
    let wrong = || format!("{text:?} is no duration such as 90s, 30m, 12h or 7d");
    if let Ok(seconds) = text.parse::<u32>() {
        return Ok(seconds.into());
    }
    let (mut total, mut rest) = (0_i64, text);
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|character: char| character.is_ascii_digit()).len();
        let number: i64 = rest[..digits].parse::<u32>().map_err(|_| wrong())?.into();
        let unit = rest[digits..].chars().next().ok_or_else(wrong)?;
        total += number
            * match unit {
                'd' => 86_400,
                'h' => 3600,
                'm' => 60,
                's' => 1,
                _ => return Err(wrong()),
            };
        rest = &rest[digits + unit.len_utf8()..];
    }
    if text.is_empty() { Err(wrong()) } else { Ok(total) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_ways_to_write_a_duration_are_understood() {
        let cases = [("90", 90), ("90s", 90), ("30m", 1800), ("12h", 43_200), ("2h30m", 9000), ("7d", 604_800)];
        for (text, wanted) in cases {
            assert_eq!(seconds(text), Ok(wanted), "{text}");
        }
        for text in ["", "h", "12x", "1.5h", "-3s", "12h5", "99999999999s"] {
            assert_eq!(seconds(text), Err(format!("{text:?} is no duration such as 90s, 30m, 12h or 7d")));
        }
    }
}
