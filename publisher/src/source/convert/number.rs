//! Numbers: in range, and never rounded.

use std::fmt::Write;

use snapshot_format::json::{Parser, Value};
use snapshot_format::{ColumnType, number};

use super::context::{Context, Converted, push, unpublishable};

pub(super) fn convert_integer(
    kind: &ColumnType,
    text: &str,
    as_text: bool,
    out: &mut String,
) -> Converted {
    let (least, most) = match kind {
        ColumnType::SmallInt => (i64::from(i16::MIN), i64::from(i16::MAX)),
        ColumnType::Integer => (i64::from(i32::MIN), i64::from(i32::MAX)),
        _ => (i64::MIN, i64::MAX),
    };
    let Some(value) = parse_integer(text) else {
        return if is_whole(text) {
            Err(format!(
                "{text} is out of range; the column takes {least} to {most}"
            ))
        } else {
            Err(format!("expected a whole number, found {text}"))
        };
    };
    if value < least || value > most {
        return Err(format!(
            "{value} is out of range; the column takes {least} to {most}"
        ));
    }
    if !as_text && value.unsigned_abs() > number::MAX_SAFE_INTEGER.unsigned_abs() {
        return Err(unpublishable(text, number::NumberError::UnsafeInteger));
    }
    write!(out, "{value}").map_err(|error| error.to_string())
}

// `1`, and also `1.0` and `1e2`, whose values are whole.
fn parse_integer(text: &str) -> Option<i64> {
    if let Ok(value) = text.parse() {
        return Some(value);
    }
    let value: f64 = text.parse().ok()?;
    let near = value.abs() <= number::MAX_SAFE_INTEGER as f64;
    let candidate = (near && value.fract() == 0.0).then_some(value as i64)?;
    number::equal_decimals(text, &candidate.to_string()).then_some(candidate)
}

fn is_whole(text: &str) -> bool {
    let (_, fraction_digits) = number::decimal_digits(text);
    fraction_digits == 0
}

pub(super) fn convert_float(kind: &ColumnType, text: &str, out: &mut String) -> Converted {
    let mut shortest = Vec::new();
    let (written, name) = match kind {
        ColumnType::Real => {
            let value = text.parse().unwrap_or(f32::NAN);
            (number::write_f32(value, &mut shortest), "real")
        }
        _ => {
            let value = text.parse().unwrap_or(f64::NAN);
            (number::write_f64(value, &mut shortest), "double precision")
        }
    };
    if written.is_err() {
        return Err(format!("{text} is out of range for {name}"));
    }
    let shortest = String::from_utf8_lossy(&shortest);
    if !number::equal_decimals(text, &shortest) {
        return Err(format!(
            "{text} is no value of {name}; it would become {shortest}"
        ));
    }
    push(out, text)
}

pub(super) fn convert_numeric(
    limits: Option<(u16, i16)>,
    text: &str,
    context: Context<'_>,
    out: &mut String,
) -> Converted {
    // PostgreSQL's own bounds where the column declares none.
    let (precision, scale) = limits.map_or((131_072 + 16_383, 16_383), |(precision, scale)| {
        (i64::from(precision), i64::from(scale))
    });
    let (whole_digits, fraction_digits) = number::decimal_digits(text);
    if fraction_digits > scale.max(0) {
        return Err(format!(
            "{text} has more digits behind the point than the column takes, which is {}",
            scale.max(0)
        ));
    }
    let rounded = usize::try_from(-scale).unwrap_or_default();
    if rounded > 0 && !is_zero_in_last(rounded, &number_key(text)) {
        return Err(format!(
            "{text} would be rounded: the column takes no digits in its last {rounded} places before \
             the point"
        ));
    }
    if whole_digits > precision - scale {
        return Err(format!(
            "{text} is out of range; the column takes {} digits before the point",
            precision - scale
        ));
    }
    if !context.as_text {
        context.canonical.clear();
        if let Err(error) = number::write_decimal(text, context.canonical) {
            return Err(unpublishable(text, error));
        }
    }
    push(out, text)
}

fn is_zero_in_last(places: usize, plain: &str) -> bool {
    // By exponent only what is out of range anyway.
    plain == "0" || plain.contains('e') || plain.ends_with(&"0".repeat(places))
}

/// A decimal without a second spelling: whole numbers as they are, others by exponent.
pub(in crate::source) fn number_key(text: &str) -> String {
    let (negative, text) = match text.strip_prefix('-') {
        Some(text) => ("-", text),
        None => ("", text),
    };
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all = format!("{whole}{fraction}");
    let digits = all.trim_start_matches('0');
    let significant = digits.trim_end_matches('0');
    if significant.is_empty() {
        return "0".to_owned();
    }
    let dropped = (digits.len() - significant.len()) as i64;
    let exponent = exponent.parse::<i64>().unwrap_or(i64::MAX / 4);
    match exponent - fraction.len() as i64 + dropped {
        zeros @ 0..=40 => format!("{negative}{significant}{}", "0".repeat(zeros as usize)),
        power => format!("{negative}{significant}e{power}"),
    }
}

pub(super) fn is_number_text(text: &str) -> bool {
    let mut parser = Parser::new(text);
    matches!(parser.value(), Ok(Value::Number(number)) if number.len() == text.len())
}
