use std::fmt;

use super::{Format, NANO, Quantity};

const DECIMAL: [(i32, &str); 10] =
    [(-9, "n"), (-6, "u"), (-3, "m"), (0, ""), (3, "k"), (6, "M"), (9, "G"), (12, "T"), (15, "P"), (18, "E")];
const BINARY: [&str; 7] = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];

/// The canonical form: no fraction, the largest suffix that keeps every digit.
impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.nano == 0 {
            return f.write_str("0");
        }
        match self.format {
            Format::BinarySi if self.is_binary() => self.print_binary(f),
            Format::DecimalExponent => self.print_exponent(f),
            Format::BinarySi | Format::DecimalSi => self.print_decimal(f),
        }
    }
}

impl Quantity {
    /// Small or broken amounts are clearer, and exact, in decimal.
    fn is_binary(&self) -> bool {
        self.nano.abs() >= 1024 * NANO && self.nano % NANO == 0
    }

    fn print_binary(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut mantissa = self.nano / NANO;
        let mut step = 0;
        while mantissa % 1024 == 0 && step + 1 < BINARY.len() {
            mantissa /= 1024;
            step += 1;
        }
        write!(f, "{mantissa}{}", BINARY[step])
    }

    fn print_decimal(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mantissa, step) = self.decimal_parts();
        write!(f, "{mantissa}{}", DECIMAL[step].1)
    }

    fn print_exponent(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mantissa, step) = self.decimal_parts();
        match DECIMAL[step].0 {
            0 => write!(f, "{mantissa}"),
            exponent => write!(f, "{mantissa}e{exponent}"),
        }
    }

    fn decimal_parts(&self) -> (i128, usize) {
        let mut mantissa = self.nano;
        let mut step = 0;
        while mantissa % 1000 == 0 && step + 1 < DECIMAL.len() {
            mantissa /= 1000;
            step += 1;
        }
        (mantissa, step)
    }
}
