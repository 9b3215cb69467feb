use proptest::prelude::*;

use super::*;

fn parse(text: &str) -> Quantity {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn canonical_forms_are_upstreams() {
    let cases = [
        ("0", "0"),
        ("0Ki", "0"),
        ("-0", "0"),
        ("1", "1"),
        ("+1", "1"),
        ("1000m", "1"),
        ("0.5", "500m"),
        (".5", "500m"),
        ("5.", "5"),
        ("1.5Gi", "1536Mi"),
        ("1024Mi", "1Gi"),
        ("1023", "1023"),
        ("1024", "1024"),
        ("512Ki", "512Ki"),
        ("0.5Ki", "512"),
        ("0.5Mi", "512Ki"),
        ("0.1Ki", "102400m"),
        ("100k", "100k"),
        ("100000", "100k"),
        ("1e3", "1e3"),
        ("1E3", "1e3"),
        ("1500e0", "1500"),
        ("1E", "1E"),
        ("1000000", "1M"),
        ("-1500m", "-1500m"),
        ("0.1n", "1n"),
        ("1e-12", "1e-9"),
        ("10Ei", "9223372036854775807"),
        ("1e100", "9223372036854775807"),
        ("8Ei", "9223372036854775807"),
        ("7Ei", "7Ei"),
    ];
    for (text, expected) in cases {
        assert_eq!(parse(text).to_string(), expected, "{text}");
    }
}

#[test]
fn refuses_what_is_no_quantity() {
    for text in
        ["", "-", "abc", "1.2.3", "1 Gi", "1gi", "1KI", "1mm", "0x10", "1e", "e3", "1Kim", ".", "1e3.5", "½"]
    {
        assert!(text.parse::<Quantity>().is_err(), "{text}");
    }
}

#[test]
fn gives_units_rounded_up() {
    assert_eq!(parse("1500m").value(), 2);
    assert_eq!(parse("0.5m").milli_value(), 1);
    assert_eq!(parse("2").milli_value(), 2000);
    assert_eq!(parse("1Ki").value(), 1024);
    assert_eq!(parse("0.0001").rounded_up_to_milli(), Some(Quantity::milli(1)));
    assert_eq!(parse("1m").rounded_up_to_milli(), None);
}

proptest! {
    #[test]
    fn printing_and_parsing_agree(units in -1_000_000_000_000_i64..1_000_000_000_000, suffix in "n|u|m||k|M|Ki|Mi|Gi|e3|e-3") {
        let quantity = parse(&format!("{units}{suffix}"));
        let printed = quantity.to_string();
        prop_assert_eq!(parse(&printed), quantity);
        // Canonical means there is nothing left to change.
        prop_assert_eq!(parse(&printed).to_string(), printed);
    }

    #[test]
    fn order_and_sums_are_those_of_numbers(a in -1_000_000_i64..1_000_000, b in -1_000_000_i64..1_000_000) {
        let (x, y) = (Quantity::milli(a), Quantity::milli(b));
        prop_assert_eq!(x.cmp(&y), a.cmp(&b));
        prop_assert_eq!(x.add(&y), Quantity::milli(a + b));
        prop_assert_eq!(x.sub(&y), Quantity::milli(a - b));
        prop_assert_eq!(x.milli_value(), a);
    }

    #[test]
    fn parsing_never_panics(text in "\\PC{0,40}") {
        let _ = text.parse::<Quantity>();
    }

    #[test]
    fn numbers_never_panic(text in "[+-]?[0-9.]{0,60}(n|u|m|k|E|Ei|e-?[0-9]{0,12})?") {
        let _ = text.parse::<Quantity>();
    }
}
