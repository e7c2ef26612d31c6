//! The plot of the cost by number of connections, as SVG.

use anyhow::{Result, anyhow};
use plotters::coord::Shift;
use plotters::prelude::*;

use crate::peer::Peer;
use crate::report::median;
use crate::scaling::Curve;
use crate::workload::Round;

const SIZE: (u32, u32) = (1060, 460);

/// The colours differ in lightness too, for readers who cannot tell the hues apart.
fn colour(peer: Peer) -> RGBColor {
    match peer {
        Peer::Ipcd => RGBColor(0x1b, 0x6c, 0xa8),
        Peer::Limit => RGBColor(0x22, 0x22, 0x22),
        Peer::Redis => RGBColor(0xc0, 0x4a, 0x3a),
        _ => RGBColor(0xe0, 0x8e, 0x2b),
    }
}

pub fn scaling(curves: &[(Peer, Curve)], heading: &str) -> Result<String> {
    let mut svg = String::new();
    draw(&mut svg, curves, heading).map_err(|error| anyhow!("drawing the plot: {error}"))?;
    Ok(svg)
}

type Drawn<T> = Result<T, Box<dyn std::error::Error>>;

fn draw(svg: &mut String, curves: &[(Peer, Curve)], heading: &str) -> Drawn<()> {
    let area = SVGBackend::with_string(svg, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    let area = area.titled("How the cost grows with the connections", ("sans-serif", 18))?;
    let area = area.titled(heading, ("sans-serif", 11))?;
    let (left, right) = area.split_horizontally(SIZE.0 / 2);
    let cpu = |round: &Round| Some(round.cpu);
    let p50 = |round: &Round| Some(round.latency?.p50);
    let p99 = |round: &Round| Some(round.latency?.p99);
    panel(&left, "processor time of the server for a request, µs", curves, &[&cpu], false)?;
    panel(&right, "latency, µs: p50 (line), p99 (dashed)", curves, &[&p50, &p99], true)?;
    area.present()?;
    Ok(())
}

type Figure<'a> = &'a dyn Fn(&Round) -> Option<f64>;

fn panel<'a>(
    area: &DrawingArea<SVGBackend<'a>, Shift>,
    caption: &str,
    curves: &[(Peer, Curve)],
    figures: &[Figure],
    is_logarithmic: bool,
) -> Drawn<()> {
    let line = |curve: &Curve, figure: Figure| -> Vec<(f64, f64)> {
        let point = |(count, rounds): &(usize, Vec<Round>)| {
            let value = median(rounds.iter().filter_map(figure));
            (*count as f64, if is_logarithmic { value.log10() } else { value })
        };
        curve.iter().map(point).collect()
    };
    let all = curves.iter().flat_map(|(_, curve)| figures.iter().flat_map(|figure| line(curve, *figure)));
    let (mut last, mut low, mut top) = (10.0_f64, f64::INFINITY, f64::NEG_INFINITY);
    for (x, y) in all {
        (last, low, top) = (last.max(x), low.min(y), top.max(y));
    }
    // Whole decades on a logarithmic axis; from zero on a linear one.
    let range = if is_logarithmic { low.floor()..top.ceil() } else { 0.0..top * 1.1 };
    let mut chart = ChartBuilder::on(area)
        .caption(caption, ("sans-serif", 14))
        .margin(14)
        .x_label_area_size(46)
        .y_label_area_size(56)
        .build_cartesian_2d((1.0..last * 1.2).log_scale(), range)?;
    let label = |y: &f64| match is_logarithmic {
        true if y.fract().abs() < 1e-6 => format!("{}", 10_f64.powf(*y).round()),
        true => String::new(),
        false => format!("{y}"),
    };
    chart
        .configure_mesh()
        .x_desc("connections, one request in flight on each")
        .x_label_formatter(&|x| format!("{x}"))
        .y_label_formatter(&label)
        .light_line_style(WHITE)
        .draw()?;
    for (peer, curve) in curves {
        let colour = colour(*peer);
        for (nth, figure) in figures.iter().enumerate() {
            let points = line(curve, *figure);
            chart.draw_series(points.iter().map(|&point| Circle::new(point, 2, colour.filled())))?;
            if nth > 0 {
                chart.draw_series(DashedLineSeries::new(points, 5, 4, colour.stroke_width(2)))?;
                continue;
            }
            chart
                .draw_series(LineSeries::new(points, colour.stroke_width(2)))?
                .label(peer.title())
                .legend(move |(x, y)| PathElement::new(vec![(x, y), (x + 18, y)], colour.stroke_width(2)));
        }
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE.mix(0.8))
        .draw()?;
    Ok(())
}
