//! A fault in the configuration: what, where, and the fix, shown with the line of the file.

use std::{fmt, ops::Range, sync::Arc};

use caxton_abi::Code;
use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource};

/// The text that a fault points into.
#[derive(Clone, Debug)]
pub struct Source {
    /// What the operator calls it: the path as given, or `--set KEY=VALUE`.
    pub name: String,
    /// The whole text.
    pub text: Arc<str>,
}

/// One fault. A load reports all it finds, not the first.
#[derive(Clone, Debug)]
pub struct Fault {
    /// Its code.
    pub code: Code,
    /// What is wrong, expected against found.
    pub message: String,
    /// What to do, when the message does not say it already.
    pub help: Option<String>,
    /// Where, in bytes of the source.
    pub span: Option<Range<usize>>,
    /// Where the span points into.
    pub source: Option<Source>,
}

impl Fault {
    /// Makes a fault that points nowhere.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), help: None, span: None, source: None }
    }

    /// Points at a place of a source.
    #[must_use]
    pub fn at(mut self, source: &Source, span: Range<usize>) -> Self {
        self.source = Some(source.clone());
        self.span = Some(span);
        self
    }

    /// Adds what to do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Line and column of the place, both from 1, columns in characters.
    pub fn position(&self) -> Option<(usize, usize)> {
        let (source, span) = (self.source.as_ref()?, self.span.as_ref()?);
        let before = source.text.get(..span.start)?;
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().map_or(0, |tail| tail.chars().count()) + 1;
        Some((line, column))
    }

    /// Draws the fault with the line it is in; colour only where the caller says so.
    pub fn render(&self, colour: bool) -> String {
        let theme = if colour { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
        let mut out = String::new();
        let handler = GraphicalReportHandler::new_themed(theme).with_width(100);
        match handler.render_report(&mut out, &Report::new(self)) {
            Ok(()) => out,
            Err(fmt::Error) => format!("{} [{}]\n", self.message, self.code),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.message)?;
        if let (Some(source), Some((line, column))) = (&self.source, self.position()) {
            write!(f, " at {}:{line}:{column}", source.name)?;
        }
        if let Some(help) = &self.help {
            write!(f, ": {help}")?;
        }
        write!(f, " [{}]", self.code)
    }
}

impl std::error::Error for Fault {}

/// The form in which the report printer takes a fault.
#[derive(Debug)]
struct Report {
    message: String,
    code: String,
    help: Option<String>,
    span: Option<Range<usize>>,
    source: Option<NamedSource<String>>,
}

impl Report {
    fn new(fault: &Fault) -> Self {
        Self {
            message: fault.message.clone(),
            code: format!("{} {}", fault.code, fault.code.slug()),
            help: fault.help.clone(),
            span: fault.span.clone(),
            source: fault
                .source
                .as_ref()
                .map(|source| NamedSource::new(&source.name, source.text.to_string())),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Report {}

impl Diagnostic for Report {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(&self.code))
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn miette::SourceCode> {
        self.source.as_ref().map(|source| source as &dyn miette::SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let span = self.span.clone()?;
        let label = LabeledSpan::new_with_span(Some("here".into()), span);
        Some(Box::new(std::iter::once(label)))
    }
}
