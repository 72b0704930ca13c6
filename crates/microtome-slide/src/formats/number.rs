//! Numbers in properties, read and written as OpenSlide does.

/// Significant digits that OpenSlide prints: as many as tell any two doubles apart.
const DIGITS: usize = 17;

/// A finite number in a property's text.
pub(super) fn parse(text: &str) -> Option<f64> {
    text.trim().parse().ok().filter(|value: &f64| value.is_finite())
}

/// A number as C's `%.17g` prints it.
pub(super) fn print(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return value.to_string();
    }
    let scientific = format!("{value:.*e}", DIGITS - 1);
    let Some((mantissa, Ok(exponent))) = scientific.split_once('e').map(|(m, e)| (m, e.parse::<i32>())) else {
        return scientific;
    };
    if (-4..DIGITS as i32).contains(&exponent) {
        let decimals = (DIGITS as i32 - 1 - exponent).max(0) as usize;
        return trim(&format!("{value:.decimals$}")).to_owned();
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{}e{sign}{:02}", trim(mantissa), exponent.abs())
}

/// Without zeros at the end of a fraction.
fn trim(text: &str) -> &str {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_look_as_openslide_prints_them() {
        for (value, text) in [
            (1.0, "1"),
            (0.499, "0.499"),
            (20.0, "20"),
            (2.000_505_550_065_996_7, "2.0005055500659967"),
            (300.0 / 75.0 / 2.0 + 250.0 / 62.0 / 2.0, "4.0161290322580641"),
            (25400.0 / 72.0, "352.77777777777777"),
            (0.0, "0"),
            (1e20, "1e+20"),
            (1.5e-7, "1.4999999999999999e-07"),
        ] {
            assert_eq!(print(value), text);
        }
    }

    #[test]
    fn only_finite_numbers_are_read() {
        assert_eq!(parse(" 0.4990 "), Some(0.499));
        assert_eq!((parse("inf"), parse("NaN"), parse("x"), parse("")), (None, None, None, None));
    }
}
