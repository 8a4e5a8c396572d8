//! What the clients took, as a table: a first pass beside a floor and a peer, and a pass in which nothing changed.

use super::measure::{self, Measured};

/// What one client took, by rounds.
pub(super) struct Row<C> {
    pub(super) client: C,
    pub(super) first: Vec<Measured>,
    /// None where there is nothing to do again.
    pub(super) again: Vec<Measured>,
}

/// Print the medians of `rows` over `count` messages of `octets` in all. `floor` and `peer` are the clients to compare with.
pub(super) fn print<C: Copy + PartialEq>(
    rows: &[Row<C>],
    name: impl Fn(C) -> &'static str,
    [floor, peer]: [C; 2],
    count: u64,
    octets: u64,
) {
    let median = |client: C| rows.iter().find(|row| row.client == client).map_or(1.0, |row| measure::median(&row.first).wall.as_secs_f64());
    let (floor_took, peer_took) = (median(floor), median(peer));
    let (floor_word, peer_word) = ("x reader", format!("x {}", name(peer).split(',').next().unwrap_or_default()));
    println!("\nmedian of each; a first pass over {count} messages");
    println!("{:<34} {:>7} {:>9} {:>8} {:>7} {:>7} {floor_word:>9} {peer_word:>9}", "", "wall s", "msg/s", "MB/s", "CPU s", "RSS MB");
    for Row { client, first, .. } in rows {
        let took = measure::median(first);
        let wall = took.wall.as_secs_f64();
        println!(
            "{:<34} {wall:>7.2} {:>9.0} {:>8.1} {:>7.2} {:>7.1} {:>9.2} {:>9.2}",
            name(*client),
            count as f64 / wall,
            octets as f64 / 1e6 / wall,
            took.cpu.as_secs_f64(),
            took.rss_octets as f64 / 1e6,
            wall / floor_took,
            wall / peer_took,
        );
    }
    println!("\nnothing changed: a second pass");
    for Row { client, again, .. } in rows.iter().filter(|row| !row.again.is_empty()) {
        let took = measure::median(again);
        println!("{:<34} {:>7.2} s wall, {:.2} s CPU", name(*client), took.wall.as_secs_f64(), took.cpu.as_secs_f64());
    }
}
