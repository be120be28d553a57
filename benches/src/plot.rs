//! Draws how figures grow, as SVG: one plot for each question, one colour and mark for each system in all of them.
//!
//! The colours are those of Okabe and Ito, which people with a colour blindness can tell apart; marks differ as well. A
//! line stands at the median, a bar reaches from the smallest to the largest sample.

use std::{fs, ops::Range, path::Path};

use caxton_kit::Failure;
use plotters::{
    coord::ranged1d::{AsRangedCoord, ValueFormatter},
    prelude::*,
};

use crate::{
    figure::figure,
    measure::{Measure, Spread},
    results::{Results, Row},
    table::name,
    workload::{Axis, CAXTON},
    workloads,
};

const SIZE: (u32, u32) = (860, 440);
/// The part of the width that the legend has.
const LEGEND: i32 = 170;
const FONT: &str = "sans-serif";

/// A question that a plot answers.
struct Question {
    file: &'static str,
    title: &'static str,
    /// The workloads whose rows are points of one line.
    workloads: &'static [&'static str],
    y: &'static str,
    of: fn(&Measure) -> Option<f64>,
}

const QUESTIONS: &[Question] = &[
    Question {
        file: "oneway-agents.svg",
        title: "One way: messages a second",
        workloads: &["oneway"],
        y: "messages/s",
        of: value,
    },
    Question {
        file: "echo-agents.svg",
        title: "Echo: round trips a second",
        workloads: &["echo"],
        y: "round trips/s",
        of: value,
    },
    Question {
        file: "contract-net-participants.svg",
        title: "Contract nets a second",
        workloads: &["contract-net"],
        y: "negotiations/s",
        of: value,
    },
    Question {
        file: "latency-load.svg",
        title: "p99 of an echo among 100 agents",
        workloads: &["latency", "latency-load"],
        y: "microseconds",
        of: |measure| measure.p99_us,
    },
    Question {
        file: "oneway-cores.svg",
        title: "One way among 100 agents, by cores",
        workloads: &["oneway-cores"],
        y: "messages/s",
        of: value,
    },
    Question {
        file: "oneway-bytes.svg",
        title: "One way among 100 agents, by size of content",
        workloads: &["oneway-bytes"],
        y: "messages/s",
        of: value,
    },
    Question {
        file: "oneway-batch.svg",
        title: "One way among 100 agents, by limits.turn_messages_max",
        workloads: &["oneway-batch"],
        y: "messages/s",
        of: value,
    },
];

fn value(measure: &Measure) -> Option<f64> {
    Some(measure.value)
}

/// Draws everything that a run has points for; returns the files' names.
///
/// # Errors
/// A file cannot be written.
pub fn draw(results: &Results, dir: &Path) -> Result<Vec<&'static str>, Failure> {
    fs::create_dir_all(dir).map_err(|error| format!("{}: {error}", dir.display()))?;
    let mut drawn = Vec::new();
    for question in QUESTIONS {
        let lines = question.lines(results);
        if lines.iter().any(|line| line.points.len() > 1) {
            let svg = question.svg(&lines).map_err(|error| format!("{}: {error}", question.file))?;
            let file = dir.join(question.file);
            fs::write(&file, svg).map_err(|error| format!("{}: {error}", file.display()))?;
            drawn.push(question.file);
        }
    }
    Ok(drawn)
}

/// One system's points, in the order of their sizes.
struct Line {
    system: String,
    points: Vec<(u64, Spread)>,
}

impl Question {
    fn lines(&self, results: &Results) -> Vec<Line> {
        let mut rows: Vec<&Row> =
            results.rows.iter().filter(|row| self.workloads.contains(&row.workload.as_str())).collect();
        rows.sort_by_key(|row| row.size);
        let mut lines: Vec<Line> = Vec::new();
        for (row, cell) in rows.iter().flat_map(|row| row.cells.iter().map(move |cell| (row, cell))) {
            let Some(spread) = cell.spread(self.of).filter(|spread| spread.min > 0.0) else { continue };
            let point = (row.size, spread);
            match lines.iter_mut().find(|line| line.system == cell.system) {
                Some(line) => line.points.push(point),
                None => lines.push(Line { system: cell.system.clone(), points: vec![point] }),
            }
        }
        lines
    }

    fn axis(&self) -> Axis {
        let first = self.workloads.first().and_then(|id| workloads::find(id));
        first.map_or(Axis::Agents, |workload| workload.axis)
    }

    fn svg(&self, lines: &[Line]) -> Result<String, Box<dyn std::error::Error>> {
        let points = || lines.iter().flat_map(|line| &line.points);
        let mut sizes: Vec<u64> = points().map(|(size, _)| *size).collect();
        sizes.sort_unstable();
        sizes.dedup();
        let (Some(first), Some(last)) = (sizes.first().copied(), sizes.last().copied()) else {
            return Err("no points".into());
        };
        let mut svg = String::new();
        if matches!(self.axis(), Axis::Percent | Axis::Cores) {
            let x = (0..last + first).with_key_points(sizes);
            self.chart(&mut svg, lines, x)?;
        } else {
            let x = ((first * 4 / 5).max(1)..last * 5 / 4).log_scale().with_key_points(sizes);
            self.chart(&mut svg, lines, x)?;
        }
        Ok(svg)
    }

    fn chart<X>(&self, svg: &mut String, lines: &[Line], x: X) -> Result<(), Box<dyn std::error::Error>>
    where
        X: AsRangedCoord<Value = u64>,
        X::CoordDescType: ValueFormatter<u64>,
    {
        let root = SVGBackend::with_string(svg, SIZE).into_drawing_area();
        root.fill(&WHITE)?;
        let (left, right) = root.split_horizontally(SIZE.0 as i32 - LEGEND);
        let mut chart = ChartBuilder::on(&left)
            .margin(12)
            .caption(self.title, (FONT, 18))
            .x_label_area_size(42)
            .y_label_area_size(66)
            .build_cartesian_2d(x, decades(lines).log_scale())?;
        chart
            .configure_mesh()
            .x_desc(self.axis().text())
            .y_desc(self.y)
            .label_style((FONT, 13))
            .axis_desc_style((FONT, 14))
            .light_line_style(BLACK.mix(0.06))
            .bold_line_style(BLACK.mix(0.16))
            .x_label_formatter(&|size| figure(*size as f64))
            .y_label_formatter(&|value| figure(*value))
            .draw()?;
        for line in lines {
            let style = Style::of(&line.system);
            let medians = line.points.iter().map(|(size, spread)| (*size, spread.median));
            chart.draw_series(LineSeries::new(medians, style.line))?;
            let bars = line.points.iter().map(|(size, spread)| {
                PathElement::new(vec![(*size, spread.min), (*size, spread.max)], style.line)
            });
            chart.draw_series(bars)?;
            chart.draw_series(line.points.iter().map(|(size, spread)| style.mark((*size, spread.median))))?;
        }
        for (index, line) in lines.iter().enumerate() {
            let (y, style) = (64 + 24 * index as i32, Style::of(&line.system));
            right.draw(&PathElement::new(vec![(4, y), (34, y)], style.line))?;
            right.draw(&style.mark((19, y)))?;
            let text = name(&line.system);
            right.draw(&Text::new(text, (42, y - 6), (FONT, 14)))?;
        }
        root.present()?;
        Ok(())
    }
}

/// Whole powers of ten around all points.
fn decades(lines: &[Line]) -> Range<f64> {
    let spreads = || lines.iter().flat_map(|line| &line.points).map(|(_, spread)| spread);
    let min = spreads().map(|spread| spread.min).fold(f64::INFINITY, f64::min);
    let max = spreads().map(|spread| spread.max).fold(f64::MIN_POSITIVE, f64::max);
    let (low, high) = (min.log10().floor(), max.log10().ceil());
    10f64.powf(low)..10f64.powf(high.max(low + 1.0))
}

/// How a system looks in every plot.
struct Style {
    line: ShapeStyle,
    shape: Shape,
}

#[derive(Clone, Copy)]
enum Shape {
    Disc,
    Ring,
    Triangle,
    Cross,
}

impl Style {
    fn of(system: &str) -> Self {
        let (colour, shape) = match system {
            CAXTON => (RGBColor(213, 94, 0), Shape::Disc),
            "tokio" => (RGBColor(0, 0, 0), Shape::Ring),
            "kameo" => (RGBColor(0, 114, 178), Shape::Triangle),
            "ractor" => (RGBColor(86, 180, 233), Shape::Cross),
            "actix" => (RGBColor(0, 158, 115), Shape::Disc),
            "erlang" => (RGBColor(204, 121, 167), Shape::Ring),
            "nats" => (RGBColor(230, 159, 0), Shape::Triangle),
            "autogen" => (RGBColor(110, 110, 110), Shape::Cross),
            _ => (RGBColor(110, 110, 110), Shape::Ring),
        };
        Self { line: colour.stroke_width(if system == CAXTON { 3 } else { 1 }), shape }
    }

    fn mark<'b, C: Clone + 'static>(&self, at: C) -> DynElement<'static, SVGBackend<'b>, C> {
        let (outline, filled) = (self.line, self.line.filled());
        match self.shape {
            Shape::Disc => Circle::new(at, 4, filled).into_dyn(),
            Shape::Ring => Circle::new(at, 4, outline).into_dyn(),
            Shape::Triangle => TriangleMarker::new(at, 5, filled).into_dyn(),
            Shape::Cross => Cross::new(at, 4, outline).into_dyn(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::Cell;

    fn row(workload: &str, size: u64, systems: &[(&str, f64)]) -> Row {
        let cell = |(system, value): &(&str, f64)| {
            let samples = [0.9, 1.0, 1.2].map(|factor| Measure::of(value * factor)).to_vec();
            Cell { system: (*system).to_owned(), samples, failures: vec![] }
        };
        Row { workload: workload.into(), size, cells: systems.iter().map(cell).collect() }
    }

    #[test]
    fn a_plot_has_a_line_for_each_system_and_a_tick_for_each_size() {
        let rows =
            [2, 100, 10_000].map(|size| row("oneway", size, &[(CAXTON, 3e6), ("kameo", 6e6)])).to_vec();
        let results = Results { rows, ..Results::default() };
        let dir = tempfile::TempDir::new().unwrap();
        assert_eq!(draw(&results, dir.path()), Ok(vec!["oneway-agents.svg"]));
        let svg = fs::read_to_string(dir.path().join("oneway-agents.svg")).unwrap();
        for text in ["Caxton", "kameo", "10 k", "100", "agents", "messages/s", "</svg>"] {
            assert!(svg.contains(text), "{text}");
        }
    }

    #[test]
    fn a_question_with_one_point_is_not_drawn() {
        let results = Results { rows: vec![row("echo", 100, &[(CAXTON, 1e6)])], ..Results::default() };
        assert_eq!(draw(&results, tempfile::TempDir::new().unwrap().path()), Ok(vec![]));
    }

    #[test]
    fn the_value_axis_reaches_from_a_power_of_ten_to_another() {
        let question = QUESTIONS.first().unwrap();
        let rows = vec![row("oneway", 2, &[(CAXTON, 2e5)]), row("oneway", 100, &[(CAXTON, 4e5)])];
        let lines = question.lines(&Results { rows, ..Results::default() });
        let svg = question.svg(&lines).unwrap();
        assert!(svg.contains("100 k") && svg.contains("1 M"), "{svg}");
    }
}
