//! Figures as people read them.

/// Three digits and a letter for thousands or millions: `3.21 M`, `412 k`, `57.3`.
pub fn figure(value: f64) -> String {
    let (scaled, letter) = match value.abs() {
        size if size >= 999_500.0 => (value / 1e6, " M"),
        size if size >= 9_995.0 => (value / 1e3, " k"),
        _ => (value, ""),
    };
    let digits = match scaled.abs() {
        size if size >= 99.95 => 0,
        size if size >= 9.995 => 1,
        _ => 2,
    };
    let text = format!("{scaled:.digits$}");
    let short = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    format!("{short}{letter}")
}

/// One figure over another: `0.52`, `12.3`, `431`.
pub fn ratio(value: f64, peer: f64) -> String {
    let ratio = value / peer;
    match ratio {
        _ if !ratio.is_finite() => "-".into(),
        large if large >= 99.95 => format!("{large:.0}"),
        large if large >= 9.995 => format!("{large:.1}"),
        small => format!("{small:.2}"),
    }
}

/// Minutes and seconds: `3:07`.
pub fn minutes(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    format!("{}:{:02}", whole / 60, whole % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_three_digits() {
        let cases =
            [3_214_000.0, 1_000_000.0, 999_700.0, 412_345.0, 17_250.0, 9_876.0, 134.6, 57.34, 5.0, 0.052];
        let texts = cases.map(figure);
        assert_eq!(
            texts,
            ["3.21 M", "1 M", "1 M", "412 k", "17.2 k", "9876", "135", "57.3", "5", "0.05"]
                .map(str::to_owned)
        );
    }

    #[test]
    fn a_ratio_keeps_what_matters_of_it() {
        assert_eq!(
            [(1.0, 2.0), (40.0, 2.0), (900.0, 2.0)].map(|(a, b)| ratio(a, b)),
            ["0.50", "20.0", "450"]
        );
        assert_eq!(ratio(1.0, 0.0), "-");
        assert_eq!(minutes(187.4), "3:07");
    }
}
