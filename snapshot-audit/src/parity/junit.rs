//! The report as JUnit's XML, which every CI service reads: a suite for each pair, a case
//! for each table.
//!
//! Source of the form: <https://github.com/testmoapp/junitxml>.

use std::io;

use quick_xml::Writer;
use quick_xml::events::{BytesText, Event};

use super::report::{PairReport, Report, TableReport};
use super::text::{counted, notes, sentence};

/// The report. It holds no time: the same sides give the same bytes.
///
/// # Errors
/// None that memory does not give.
pub fn describe(report: &Report) -> io::Result<Vec<u8>> {
    let mut out = Writer::new_with_indent(Vec::new(), b' ', 2);
    let tables = report
        .pairs
        .iter()
        .map(|pair| pair.table_count)
        .sum::<u64>()
        .to_string();
    let failures = report
        .pairs
        .iter()
        .map(|pair| pair.failed_count)
        .sum::<u64>()
        .to_string();
    out.create_element("testsuites")
        .with_attribute(("name", "publisher parity"))
        .with_attribute(("tests", tables.as_str()))
        .with_attribute(("failures", failures.as_str()))
        .write_inner_content(|out| report.pairs.iter().try_for_each(|pair| suite(pair, out)))?;
    let mut bytes = out.into_inner();
    bytes.push(b'\n');
    Ok(bytes)
}

fn suite(pair: &PairReport, out: &mut Writer<Vec<u8>>) -> io::Result<()> {
    let name = format!("{} -> {}", pair.expected, pair.actual);
    let skipped = pair.tables.len() as u64 - pair.table_count;
    out.create_element("testsuite")
        .with_attribute(("name", name.as_str()))
        .with_attribute(("tests", pair.tables.len().to_string().as_str()))
        .with_attribute(("failures", pair.failed_count.to_string().as_str()))
        .with_attribute(("skipped", skipped.to_string().as_str()))
        .write_inner_content(|out| {
            pair.tables
                .iter()
                .try_for_each(|table| case(pair, table, out))
        })?;
    Ok(())
}

fn case(pair: &PairReport, table: &TableReport, out: &mut Writer<Vec<u8>>) -> io::Result<()> {
    let class = format!("parity.{}-{}", pair.expected, pair.actual);
    let element = out
        .create_element("testcase")
        .with_attribute(("classname", class.as_str()))
        .with_attribute(("name", table.table.as_str()));
    let notes = notes(table);
    element.write_inner_content(|out| {
        if let Some(why) = table.skipped {
            out.create_element("skipped")
                .with_attribute(("message", why))
                .write_empty()?;
        }
        if !table.passed {
            failure(pair, table, out)?;
        }
        if !notes.is_empty() {
            let text = xml_characters(&notes.join("\n"));
            out.create_element("system-out")
                .write_text_content(BytesText::new(&text))?;
        }
        Ok(())
    })?;
    Ok(())
}

fn failure(pair: &PairReport, table: &TableReport, out: &mut Writer<Vec<u8>>) -> io::Result<()> {
    let mut lines: Vec<String> = table
        .differences
        .iter()
        .map(|d| sentence(pair, d))
        .collect();
    if table.more() > 0 {
        lines.push(format!("and {} more", table.more()));
    }
    let text = xml_characters(&lines.join("\n"));
    let message = counted(table.difference_count, "difference");
    let event = BytesText::new(&text);
    out.create_element("failure")
        .with_attribute(("message", message.as_str()))
        .write_inner_content(|out| out.write_event(Event::Text(event)))?;
    Ok(())
}

// XML 1.0 §2.2: some characters cannot stand in it, not even escaped.
fn xml_characters(text: &str) -> String {
    let allowed = |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
    text.chars()
        .map(|c| if allowed(c) { c } else { '\u{fffd}' })
        .collect()
}
