//! How long the parser of email addresses takes: for plain ones, for international ones, and to refuse.

use std::hint::black_box;

use criterion::Criterion;
use linkgate::domain::email::EmailAddress;

fn parse(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("address");
    let long = format!("user@{}.com", "ä".repeat(500));
    for (name, input) in [
        ("ascii", "First.Last@example.co.uk"),
        ("idn", "user@MÜNCHEN.de"),
        ("a_label", "user@xn--mnchen-3ya.de"),
        ("refuse_local_part", "\"a b\"@example.com"),
        ("refuse_look_through", "user@exam\u{200b}ple.com"),
        ("refuse_long", &long),
    ] {
        group.bench_function(name, |bencher| bencher.iter(|| EmailAddress::parse(black_box(input))));
    }
    group.finish();
}

// By hand and not with `criterion_group!`, which makes public items without documentation.
fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    parse(&mut criterion);
    criterion.final_summary();
}
