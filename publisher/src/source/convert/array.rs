//! Arrays.

use snapshot_format::ColumnType;
use snapshot_format::json::{Parser, Value};

use super::context::{Context, Converted, push};
use super::scalar::convert;

// PostgreSQL's array literal: `{a,"b c",NULL}`, nested for several dimensions.
// Source: <https://www.postgresql.org/docs/current/arrays.html>, "Array Input".
pub(super) fn convert_array(
    element: &ColumnType,
    raw: &str,
    context: Context<'_>,
    out: &mut String,
) -> Converted {
    const MAX_DIMENSIONS: usize = 6;
    if !raw[1..raw.len() - 1].trim().is_empty() {
        // First: what follows reads an array once for each level.
        let depth = if element.is_json() { 1 } else { depth_of(raw) };
        if depth > MAX_DIMENSIONS {
            return Err(format!(
                "an array nests at most {MAX_DIMENSIONS} deep, and this one {depth}"
            ));
        }
        if dimensions(element, &Value::Array(raw)).is_none() {
            return Err("nested arrays must have elements, and as many as one another".to_owned());
        }
    }
    write_array(element, raw, context, out)
}

// How deep arrays nest in a JSON text.
fn depth_of(raw: &str) -> usize {
    let (mut depth, mut deepest, mut bytes) = (0_usize, 0, raw.bytes());
    while let Some(byte) = bytes.next() {
        match byte {
            b'[' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' => depth = depth.saturating_sub(1),
            b'"' => {
                while let Some(within) = bytes.next()
                    && within != b'"'
                {
                    if within == b'\\' {
                        bytes.next();
                    }
                }
            }
            _ => {}
        }
    }
    deepest
}

// How many elements there are at each depth; `None` where that differs, or is none.
fn dimensions(element: &ColumnType, value: &Value<'_>) -> Option<Vec<usize>> {
    // An array within a jsonb[] is one jsonb.
    let Value::Array(raw) = value else {
        return Some(Vec::new());
    };
    let is_leaf = |value: &Value<'_>| !matches!(value, Value::Array(_)) || element.is_json();
    let (mut leaves, mut nested) = (0, Vec::new());
    let read = Parser::new(raw).array(|_, value| {
        if is_leaf(&value) {
            leaves += 1
        } else {
            nested.push(dimensions(element, &value))
        }
    });
    read.ok()?;
    match (leaves, nested.first()) {
        (0, None) => None,
        (count, None) => Some(vec![count]),
        (0, Some(first)) if nested.iter().all(|other| other == first) => {
            let mut lengths = vec![nested.len()];
            lengths.extend(first.as_ref()?);
            Some(lengths)
        }
        _ => None,
    }
}

fn write_array(
    element: &ColumnType,
    raw: &str,
    context: Context<'_>,
    out: &mut String,
) -> Converted {
    let mut elements = Vec::new();
    let mut parser = Parser::new(raw);
    let read = parser.array(|offset, value| elements.push((offset, value)));
    read.map_err(|error| error.to_string())?;
    out.push('{');
    let mut text = String::new();
    for (index, (offset, value)) in elements.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        let context = Context {
            as_text: context.as_text,
            canonical: &mut *context.canonical,
        };
        let written = match value {
            Value::Null => push(out, "NULL"),
            Value::Array(raw) if !element.is_json() => write_array(element, raw, context, out),
            _ => {
                text.clear();
                let end = elements
                    .get(index + 1)
                    .map_or(raw.len() - 1, |(next, _)| *next);
                let raw = raw[*offset..end].trim_end_matches([',', ' ', '\n', '\r', '\t']);
                convert(element, value, raw, context, &mut text).map(|()| push_quoted(&text, out))
            }
        };
        written.map_err(|message| format!("element {}: {message}", index + 1))?;
    }
    out.push('}');
    Ok(())
}

fn push_quoted(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        if matches!(c, '"' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('"');
}
