//! Kubernetes quantities, kept as written and read as exact integers.
//!
//! Format: <https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/>.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize};

/// An amount of a resource as written: `4`, `"500m"`, `"64Gi"`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Quantity(pub String);

/// The text is no quantity.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a quantity such as 4, 500m or 64Gi")]
pub struct QuantityError(pub String);

/// Suffixes and their factors in thousandths.
const SUFFIXES: [(&str, i128); 14] = [
    ("Ki", 1000 << 10),
    ("Mi", 1000 << 20),
    ("Gi", 1000 << 30),
    ("Ti", 1000 << 40),
    ("Pi", 1000 << 50),
    ("Ei", 1000 << 60),
    ("m", 1),
    ("k", 1_000_000),
    ("M", 1_000_000_000),
    ("G", 1_000_000_000_000),
    ("T", 1_000_000_000_000_000),
    ("P", 1_000_000_000_000_000_000),
    ("E", 1_000_000_000_000_000_000_000),
    ("", 1000),
];

impl Quantity {
    /// The amount in thousandths, rounded up as Kubernetes does.
    pub fn milli(&self) -> Result<i128, QuantityError> {
        let error = || QuantityError(self.0.clone());
        let (number, factor) = SUFFIXES
            .iter()
            .find_map(|(suffix, factor)| self.0.strip_suffix(suffix).map(|number| (number, *factor)))
            .ok_or_else(error)?;
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        // 15 digits of up to 10^21 stay far inside an i128, but not with nine more after the point.
        if whole.is_empty() || whole.len() > 15 || fraction.len() > 9 || !digits(whole) || !digits(fraction) {
            return Err(error());
        }
        let scale = 10_i128.pow(u32::try_from(fraction.len()).map_err(|_| error())?);
        let number: i128 = format!("{whole}{fraction}").parse().map_err(|_| error())?;
        let scaled = number.checked_mul(factor).ok_or_else(error)?;
        Ok(scaled / scale + i128::from(scaled % scale != 0))
    }

    /// The shortest common way to write an amount given in thousandths.
    pub fn from_milli(milli: i128) -> Self {
        if milli % 1000 != 0 {
            return Self(format!("{milli}m"));
        }
        let units = milli / 1000;
        let binary = [("Ti", 40), ("Gi", 30), ("Mi", 20), ("Ki", 10)]
            .into_iter()
            .find(|(_, bits)| units != 0 && units % (1_i128 << bits) == 0);
        Self(binary.map_or_else(|| units.to_string(), |(suffix, bits)| format!("{}{suffix}", units >> bits)))
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Integer(i64),
            Float(f64),
            Text(String),
        }
        let text = match Written::deserialize(deserializer)? {
            Written::Integer(number) => number.to_string(),
            Written::Float(number) => number.to_string(),
            Written::Text(text) => text,
        };
        let quantity = Self(text);
        quantity.milli().map_err(serde::de::Error::custom)?;
        Ok(quantity)
    }
}

impl JsonSchema for Quantity {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Quantity".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "x-kubernetes-int-or-string": true,
            "anyOf": [{"type": "integer"}, {"type": "string"}],
            // Of an integer; the pattern is of a string.
            "minimum": 0,
            "pattern": "^[0-9]{1,15}(\\.[0-9]{1,9})?(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?$",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_exact() {
        let cases =
            [("4", 4000), ("500m", 500), ("0.5", 500), ("1.5Gi", 1_610_612_736_000), ("2k", 2_000_000), ("0.0001", 1)];
        for (text, milli) in cases {
            assert_eq!(Quantity(text.to_owned()).milli(), Ok(milli), "{text}");
        }
        for text in ["", "Gi", "-1", "4 Gi", "1e3", "9999999999999999", "999999999999999.999999999E"] {
            assert!(Quantity(text.to_owned()).milli().is_err(), "{text}");
        }
    }

    #[test]
    fn written_amounts_read_back_as_the_same_amount() {
        for milli in [0, 1, 500, 1000, 64_000, 1000 << 30, (1000 << 30) * 3, 1_001] {
            assert_eq!(Quantity::from_milli(milli).milli(), Ok(milli));
        }
        assert_eq!(Quantity::from_milli((1000 << 30) * 3).0, "3Gi");
    }

    #[test]
    fn yaml_numbers_and_strings_are_taken() {
        let quantities: Vec<Quantity> = serde_yaml::from_str("[2, 0.5, 64Gi]").unwrap();
        assert_eq!(quantities.iter().map(|q| q.0.as_str()).collect::<Vec<_>>(), ["2", "0.5", "64Gi"]);
    }
}
