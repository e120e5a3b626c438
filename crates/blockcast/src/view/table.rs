//! Tables of text: aligned columns, two spaces between them, no frame.

use super::{Style, Tone, text};

/// A cell.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cell {
    text: String,
    tone: Tone,
}

impl Cell {
    /// A cell with a colour.
    pub(crate) fn toned(text: impl Into<String>, tone: Tone) -> Self {
        Self { text: text::clean(&text.into()), tone }
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::toned(text, Tone::Plain)
    }
}

/// How a column is laid out.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Column {
    /// Words; at most that many characters, longer ones are cut.
    Left(&'static str, usize),
    /// Numbers.
    Right(&'static str),
}

/// Columns and rows.
#[derive(Debug)]
pub(crate) struct Table<'a> {
    columns: &'a [Column],
    rows: Vec<Vec<Cell>>,
}

impl<'a> Table<'a> {
    /// A table without rows.
    pub(crate) fn new(columns: &'a [Column]) -> Self {
        Self { columns, rows: Vec::new() }
    }

    /// Adds a row; cells beyond the last column are not shown.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = Cell>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// The table, each line indented by two spaces. A column without a single entry is left out.
    pub(crate) fn render(&self, style: Style) -> String {
        let shown: Vec<(usize, Column, usize)> = self
            .columns
            .iter()
            .enumerate()
            .filter_map(|(at, column)| {
                let longest = self
                    .rows
                    .iter()
                    .filter_map(|row| row.get(at))
                    .map(|cell| cell.text.chars().count())
                    .max()?;
                let width = match column {
                    Column::Left(heading, limit) => longest.min(*limit).max(heading.chars().count()),
                    Column::Right(heading) => longest.max(heading.chars().count()),
                };
                (longest > 0).then_some((at, *column, width))
            })
            .collect();
        let mut lines = String::new();
        let headings = shown.iter().map(|(_, column, width)| {
            let (Column::Left(heading, _) | Column::Right(heading)) = column;
            pad(heading, *column, *width)
        });
        push_line(&mut lines, headings, |line| style.heading(line));
        for row in &self.rows {
            let cells = shown.iter().map(|(at, column, width)| {
                let cell = row.get(*at).cloned().unwrap_or_default();
                let padded = pad(&text::cut(&cell.text, *width), *column, *width);
                // Colour the word, not the blanks around it, so that trailing ones can be trimmed.
                let word = padded.trim();
                padded.replacen(word, &style.paint(cell.tone, word), usize::from(!word.is_empty()))
            });
            push_line(&mut lines, cells, str::to_owned);
        }
        lines
    }
}

fn pad(text: &str, column: Column, width: usize) -> String {
    match column {
        Column::Left(..) => format!("{text:<width$}"),
        Column::Right(_) => format!("{text:>width$}"),
    }
}

fn push_line(lines: &mut String, cells: impl Iterator<Item = String>, finish: impl Fn(&str) -> String) {
    let line = format!("  {}", cells.collect::<Vec<_>>().join("  "));
    lines.push_str(&finish(line.trim_end()));
    lines.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: [Column; 3] = [Column::Left("name", 6), Column::Right("ms"), Column::Left("unused", 9)];

    fn table() -> Table<'static> {
        let mut table = Table::new(&COLUMNS);
        table.row(["a".into(), Cell::from("12.5")]);
        table.row([Cell::toned("abcdefgh", Tone::Bad), "7.0".into(), "".into()]);
        table.row([]);
        table
    }

    #[test]
    fn columns_are_aligned_cut_and_left_out_when_empty() {
        let expected = "  name      ms\n  a       12.5\n  abcde…   7.0\n\n";
        assert_eq!(table().render(Style::default()), expected);
    }

    #[test]
    fn colours_do_not_disturb_the_columns() {
        let coloured = table().render(Style { colour: true });
        assert!(coloured.contains("  \x1b[1;31mabcde…\x1b[0m   7.0\n"), "{coloured:?}");
    }
}
