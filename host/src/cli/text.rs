//! Text for terminals: nothing that comes from elsewhere can move the cursor, and columns line up.

use std::fmt::Write;

/// `text` with everything that a terminal would act upon, or that turns the direction of reading, written as an escape.
pub(super) fn clean(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if is_harmless(c) {
            out.push(c);
        } else {
            // Writing to a string does not fail.
            let _ = write!(out, "{}", c.escape_default());
        }
    }
    out
}

/// JSON text that means the same, and that a terminal may show: what it would act upon stands in strings only, and there as escapes.
pub(super) fn harmless_json(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    let mut units = [0; 2];
    for c in json.chars() {
        if is_harmless(c) || c == '\n' {
            out.push(c);
        } else {
            for unit in c.encode_utf16(&mut units) {
                // Writing to a string does not fail.
                let _ = write!(out, "\\u{unit:04x}");
            }
        }
    }
    out
}

/// A cell that is shown cut when it is wider than `columns`.
pub(super) fn cut(text: &str, columns: usize) -> String {
    console::truncate_str(&clean(text), columns, "…").into_owned()
}

/// Rows under headings in aligned columns, a line each; "" for no rows. Cells are cleaned.
pub(super) fn table<const N: usize>(headings: [&str; N], rows: &[[String; N]]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let cells: Vec<[String; N]> =
        std::iter::once(headings.map(str::to_owned)).chain(rows.iter().map(|row| row.each_ref().map(|cell| clean(cell)))).collect();
    let mut widths = [0; N];
    for row in &cells {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(console::measure_text_width(cell));
        }
    }
    let mut out = String::new();
    for row in &cells {
        let mut line = String::new();
        for (width, cell) in widths.iter().zip(row) {
            line.push_str(&console::pad_str(cell, *width, console::Alignment::Left, None));
            line.push_str("  ");
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

/// "Name: value" lines with the values below each other. Values are cleaned; empty ones are left out.
pub(super) fn fields(pairs: &[(&str, String)]) -> String {
    let shown = || pairs.iter().filter(|(_, value)| !value.is_empty());
    let width = shown().map(|(name, _)| name.len()).max().unwrap_or_default() + 1;
    shown().fold(String::new(), |out, (name, value)| {
        let name = format!("{name}:");
        format!("{out}{name:width$} {}\n", clean(value))
    })
}

/// Octets for people: "7.4 KB", with powers of ten.
#[expect(clippy::cast_precision_loss, reason = "one digit after the point is shown")]
pub(super) fn octets(count: u64) -> String {
    let units = [(1_000_000_000_u64, "GB"), (1_000_000, "MB"), (1_000, "KB")];
    match units.iter().find(|(unit, _)| count >= *unit) {
        Some((unit, name)) => format!("{:.1} {name}", count as f64 / *unit as f64),
        None => format!("{count} B"),
    }
}

/// "1 message", "2 messages".
pub(super) fn count(number: u64, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

/// Milliseconds for people: "340 ms", "2.1 s".
#[expect(clippy::cast_precision_loss, reason = "one digit after the point is shown")]
pub(super) fn millis(count: u64) -> String {
    if count < 1_000 { format!("{count} ms") } else { format!("{:.1} s", count as f64 / 1_000.0) }
}

fn is_harmless(c: char) -> bool {
    !c.is_control() && !matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_means_the_same_and_moves_no_cursor() {
        let text = "a\u{9b}31m\u{202e}b\u{7f}\u{e0041}\n\"é";
        let json = serde_json::to_string_pretty(&[text]).unwrap();
        let shown = harmless_json(&json);
        assert!(shown.chars().all(|c| c == '\n' || is_harmless(c)), "{shown:?}");
        assert_eq!(serde_json::from_str::<Vec<String>>(&shown).unwrap(), [text]);
    }

    #[test]
    fn terminals_are_not_commanded() {
        assert_eq!(clean("a\u{1b}[2Jb\r\n\u{202e}ä"), "a\\u{1b}[2Jb\\r\\n\\u{202e}ä");
        assert_eq!(clean("\u{9b}31m\u{7f}"), "\\u{9b}31m\\u{7f}");
    }

    #[test]
    fn columns_line_up_also_for_wide_letters() {
        let rows = [["漢字".to_owned(), "1".to_owned()], ["a".to_owned(), "2".to_owned()]];
        assert_eq!(table(["NAME", "N"], &rows), "NAME  N\n漢字  1\na     2\n");
        assert_eq!(table(["NAME"], &[]), "");
    }

    #[test]
    fn numbers_for_people() {
        assert_eq!(octets(999), "999 B");
        assert_eq!(octets(7_420), "7.4 KB");
        assert_eq!(octets(154_000_000), "154.0 MB");
        assert_eq!(count(1, "message"), "1 message");
        assert_eq!(millis(2_100), "2.1 s");
    }

    #[test]
    fn empty_fields_are_left_out() {
        let pairs = [("Server", "a:993".to_owned()), ("Proxy", String::new()), ("User", "me".to_owned())];
        assert_eq!(fields(&pairs), "Server: a:993\nUser:   me\n");
    }
}
