//! The results as a table for people.

use std::fmt::Write;

use orch_tests::side::Side;

use crate::load::Load;
use crate::measure::Result;

pub fn line(result: &Result) -> String {
    format!(
        "{:<28} {:<8} {:>6.0} pods/s (p50 {:.0}, p99 {:.0} per second), {}/{} in {:.1} s; created → bound p50 {:.0} ms, p99 {:.0} ms; {:.2} cores, {:.2} ms CPU per pod (client {:.2} cores), {:.0} MiB; {} moved, {} swaps, longest pause {:.0} ms; nodes {:.0}/s, pods before {:.0}/s, created {:.0}/s",
        result.load,
        result.side.word(),
        result.average,
        result.window_p50,
        result.window_p99,
        result.scheduled,
        result.measured,
        result.seconds,
        result.latency_p50,
        result.latency_p99,
        result.cores,
        result.cpu_per_pod,
        result.client_cores,
        result.memory,
        result.moved,
        result.swaps,
        result.longest_pause,
        result.registered_per_second,
        result.before_per_second,
        result.created_per_second,
    )
}

/// Markdown, a row per load with both sides beside one another.
pub fn table(loads: &[Load], results: &[Result]) -> String {
    let side = "pods/s (p50 of 1 s windows) | created → bound p50, p99 | CPU per pod | MiB";
    let mut text = format!(
        "| load | nodes, pods | goal | orch: {side} | upstream: {side} | ratio, pods/s | ratio, CPU |\n"
    );
    text += "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n";
    for load in loads {
        let of = |side| results.iter().find(|r| r.load == load.name && r.side == side);
        let (orch, upstream) = (of(Side::Orch), of(Side::Upstream));
        let Some(either) = orch.or(upstream) else { continue };
        let goal = load.goal.map_or("–".into(), |goal| format!("≥ {goal}"));
        let ratio = |over: fn(&Result, &Result) -> f64| match (orch, upstream) {
            (Some(orch), Some(upstream)) => format!("{:.1}", over(orch, upstream)),
            _ => "–".into(),
        };
        let _ = writeln!(
            text,
            "| {} | {}, {} | {goal} | {} | {} | {} | {} |",
            load.name,
            either.nodes,
            either.measured,
            cells(orch),
            cells(upstream),
            ratio(|orch, upstream| orch.average / upstream.average),
            ratio(|orch, upstream| upstream.cpu_per_pod / orch.cpu_per_pod),
        );
    }
    text
}

fn cells(result: Option<&Result>) -> String {
    let Some(result) = result else { return "– | – | – | –".into() };
    let incomplete = match result.scheduled < result.measured {
        true => format!(", {} not scheduled in time", result.measured - result.scheduled),
        false => String::new(),
    };
    format!(
        "{:.0} ({:.0}){incomplete} | {:.0}, {:.0} ms | {:.2} ms | {:.0}",
        result.average,
        result.window_p50,
        result.latency_p50,
        result.latency_p99,
        result.cpu_per_pod,
        result.memory
    )
}
