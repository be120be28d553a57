//! Puts the figures of a run into `docs/performance.md`, between comments that name what belongs there, so that no figure
//! on the page was typed by hand.

use std::{fs, path::PathBuf};

use caxton_kit::{Failure, artifacts};

use crate::{figure::minutes, plot, results::Results, table, workloads};

const BEGIN: &str = "<!-- run:";
const BEGIN_END: &str = " -->";
const END: &str = "<!-- end -->";

/// Where the plots of the page lie.
pub fn plots() -> PathBuf {
    artifacts::root().join("docs/performance")
}

/// Rewrites the page's figures and plots.
///
/// # Errors
/// A file cannot be read or written, or the page asks for something unknown.
pub fn write(results: &Results) -> Result<(), Failure> {
    let page = artifacts::root().join("docs/performance.md");
    let text = fs::read_to_string(&page).map_err(|error| format!("{}: {error}", page.display()))?;
    let text = rewrite(&text, |name| block(name, results))?;
    fs::write(&page, text).map_err(|error| format!("{}: {error}", page.display()))?;
    plot::draw(results, &plots()).map(drop)
}

fn block(name: &str, results: &Results) -> Option<String> {
    match name {
        "machine" => Some(machine(results)),
        "goals" => Some(table::goals(results)),
        id => {
            let found = table::page(results, workloads::find(id)?);
            Some(found.unwrap_or_else(|| "Not part of this run.\n".to_owned()))
        }
    }
}

fn machine(results: &Results) -> String {
    let Results { commit, date, command, runs, seconds, took_s, .. } = results;
    format!(
        "- Machine: {}.\n- Commit: {commit}; {date}.\n- Command: `{command}`; {runs} rounds of {seconds:.2} s for each \
         figure, {} minutes.\n",
        results.machine.text(),
        minutes(*took_s)
    )
}

/// Replaces what stands between `<!-- run:NAME -->` and `<!-- end -->`.
fn rewrite(text: &str, block: impl Fn(&str) -> Option<String>) -> Result<String, Failure> {
    let mut parts = text.split(BEGIN);
    let mut page = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (name, rest) = part.split_once(BEGIN_END).ok_or("a comment of the page does not end")?;
        let (_, after) = rest.split_once(END).ok_or_else(|| format!("the block {name} does not end"))?;
        let new = block(name).ok_or_else(|| format!("the page asks for {name}, which is unknown"))?;
        page.push_str(&format!("{BEGIN}{name}{BEGIN_END}\n{new}{END}{after}"));
    }
    Ok(page)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stands_between_the_comments_is_replaced() {
        let text = "# Page\n<!-- run:echo -->\nold\n<!-- end -->\ntext\n<!-- run:goals --><!-- end -->\n";
        let new = rewrite(text, |name| Some(format!("new {name}\n"))).unwrap();
        let expected = "# Page\n<!-- run:echo -->\nnew echo\n<!-- end -->\ntext\n<!-- run:goals -->\nnew goals\n<!-- end -->\n";
        assert_eq!(new, expected);
        assert_eq!(rewrite(&new, |name| Some(format!("new {name}\n"))).unwrap(), expected);
    }

    #[test]
    fn a_block_without_an_end_or_with_an_unknown_name_is_an_error() {
        assert!(rewrite("<!-- run:echo -->\n", |_| Some(String::new())).is_err());
        assert!(rewrite("<!-- run:nothing --><!-- end -->", |_| None).is_err());
    }

    #[test]
    fn the_page_asks_for_nothing_that_is_unknown() {
        let page = fs::read_to_string(artifacts::root().join("docs/performance.md")).unwrap();
        assert!(rewrite(&page, |name| block(name, &Results::default())).is_ok());
    }
}
