//! The inverse transform on vectors of eight 16-bit values, of one block or, side by side, of two.
//!
//! A macro, because the two vector types have instructions of their own names: the module that uses it imports them under
//! the names used here. Products of two coefficients with two factors come from one instruction (`madd`), with libjpeg's chain
//! of products multiplied out; it is linear with integer factors, so the sums are the same.

/// Defines `whole` and `corner`: rows of coefficients to samples, two rows of eight in each 128 bits of the result.
macro_rules! inverse_transform {
    ($feature:literal) => {
        use crate::kernels::portable::{EVEN, ODD};

        /// One factor for the first of each pair, another for the second.
        #[target_feature(enable = $feature)]
        #[inline]
        fn factors(first: i32, second: i32) -> V {
            set32((first & 0xffff) | second << 16)
        }

        /// The sums of products with pairs of the low, or of the high, columns.
        #[target_feature(enable = $feature)]
        #[inline]
        fn pairs(one: V, other: V) -> [V; 2] {
            [unpack_low_16(one, other), unpack_high_16(one, other)]
        }

        /// Sums of an even and an odd half, rounded: four values a side.
        #[target_feature(enable = $feature)]
        #[inline]
        fn butterfly<const SHIFT: i32>(even: [V; 4], odd: [V; 4]) -> [V; 8] {
            let shift = |value: V| shift_right_32::<SHIFT>(value);
            [
                shift(add_32(even[0], odd[0])),
                shift(add_32(even[1], odd[1])),
                shift(add_32(even[2], odd[2])),
                shift(add_32(even[3], odd[3])),
                shift(sub_32(even[3], odd[3])),
                shift(sub_32(even[2], odd[2])),
                shift(sub_32(even[1], odd[1])),
                shift(sub_32(even[0], odd[0])),
            ]
        }

        /// One dimension of all eight values, for four columns: pairs of (0, 4), (2, 6), (1, 3) and (5, 7).
        #[target_feature(enable = $feature)]
        #[inline]
        fn half<const SHIFT: i32>(pairs: [V; 4]) -> [V; 8] {
            let rounding = set32(1 << (SHIFT - 1));
            let [outer, inner, low, high] = pairs;
            let sum = add_32(madd(outer, factors(1 << 13, 1 << 13)), rounding);
            let difference = add_32(madd(outer, factors(1 << 13, -(1 << 13))), rounding);
            let first = madd(inner, factors(EVEN[0][0], EVEN[0][1]));
            let second = madd(inner, factors(EVEN[1][0], EVEN[1][1]));
            let even = [add_32(sum, first), add_32(difference, second), sub_32(difference, second), sub_32(sum, first)];
            let odd = [0, 1, 2, 3].map(|at| {
                let [one, three, five, seven] = ODD[at];
                add_32(madd(low, factors(one, three)), madd(high, factors(five, seven)))
            });
            butterfly::<SHIFT>(even, odd)
        }

        /// As `half`, where values 4 to 7 are zero: value 0 in 32 bits times 2^13, value 2 beside 0, and the pair (1, 3).
        #[target_feature(enable = $feature)]
        #[inline]
        fn corner_half<const SHIFT: i32>(outer: V, inner: V, low: V) -> [V; 8] {
            let sum = add_32(outer, set32(1 << (SHIFT - 1)));
            let first = madd(inner, factors(EVEN[0][0], 0));
            let second = madd(inner, factors(EVEN[1][0], 0));
            let even = [add_32(sum, first), add_32(sum, second), sub_32(sum, second), sub_32(sum, first)];
            let odd = [0, 1, 2, 3].map(|at| madd(low, factors(ODD[at][0], ODD[at][1])));
            butterfly::<SHIFT>(even, odd)
        }

        /// One dimension of all eight columns.
        #[target_feature(enable = $feature)]
        #[inline]
        fn pass<const SHIFT: i32>(v: [V; 8]) -> [V; 8] {
            let [outer, inner, low, high] =
                [pairs(v[0], v[4]), pairs(v[2], v[6]), pairs(v[1], v[3]), pairs(v[5], v[7])];
            let left = half::<SHIFT>([outer[0], inner[0], low[0], high[0]]);
            let right = half::<SHIFT>([outer[1], inner[1], low[1], high[1]]);
            [0, 1, 2, 3, 4, 5, 6, 7].map(|at| pack_32(left[at], right[at]))
        }

        /// Columns become rows.
        #[target_feature(enable = $feature)]
        #[inline]
        fn transpose(v: [V; 8]) -> [V; 8] {
            let [a, b, c, d] = [pairs(v[0], v[1]), pairs(v[2], v[3]), pairs(v[4], v[5]), pairs(v[6], v[7])];
            let four = |one: V, other: V| [unpack_low_32(one, other), unpack_high_32(one, other)];
            let [e, f, g, h] = [four(a[0], b[0]), four(c[0], d[0]), four(a[1], b[1]), four(c[1], d[1])];
            let eight = |one: V, other: V| [unpack_low_64(one, other), unpack_high_64(one, other)];
            let [i, j, k, l] = [eight(e[0], f[0]), eight(e[1], f[1]), eight(g[0], h[0]), eight(g[1], h[1])];
            [i[0], i[1], j[0], j[1], k[0], k[1], l[0], l[1]]
        }

        /// Eight columns of values to four vectors of two rows of samples each.
        #[target_feature(enable = $feature)]
        #[inline]
        fn samples(v: [V; 8]) -> [V; 4] {
            let [a, b, c, d] = [0, 1, 2, 3].map(|at| pack_16(v[at], v[at + 4]));
            let two = |one: V, other: V| [unpack_low_8(one, other), unpack_high_8(one, other)];
            let [a, b] = [two(a, b), two(c, d)];
            let [low, high] = [pairs(a[0], b[0]), pairs(a[1], b[1])];
            let middle = set8(-128);
            [
                xor(unpack_low_32(low[0], high[0]), middle),
                xor(unpack_high_32(low[0], high[0]), middle),
                xor(unpack_low_32(low[1], high[1]), middle),
                xor(unpack_high_32(low[1], high[1]), middle),
            ]
        }

        #[target_feature(enable = $feature)]
        #[inline]
        fn whole(rows: [V; 8]) -> [V; 4] {
            samples(pass::<18>(transpose(pass::<11>(rows))))
        }

        #[target_feature(enable = $feature)]
        #[inline]
        fn corner(rows: [V; 4]) -> [V; 4] {
            let zero = set32(0);
            let scaled = |value: V| shift_right_32::<3>(value);
            let v = corner_half::<11>(
                scaled(unpack_low_16(zero, rows[0])),
                unpack_low_16(rows[2], zero),
                unpack_low_16(rows[1], rows[3]),
            );
            let [a, b, c, d] = [0, 1, 2, 3].map(|at| pack_32(v[at], v[at + 4]));
            let [one, two] = [pairs(a, b), pairs(c, d)];
            let four = |one: V, other: V| [unpack_low_32(one, other), unpack_high_32(one, other)];
            let [top, bottom] = [four(one[0], two[0]), four(one[1], two[1])];
            let columns = [
                unpack_low_64(top[0], bottom[0]),
                unpack_high_64(top[0], bottom[0]),
                unpack_low_64(top[1], bottom[1]),
                unpack_high_64(top[1], bottom[1]),
            ];
            let outer = pairs(zero, columns[0]);
            let (inner, low) = (pairs(columns[2], zero), pairs(columns[1], columns[3]));
            let left = corner_half::<18>(scaled(outer[0]), inner[0], low[0]);
            let right = corner_half::<18>(scaled(outer[1]), inner[1], low[1]);
            samples([0, 1, 2, 3, 4, 5, 6, 7].map(|at| pack_32(left[at], right[at])))
        }
    };
}

pub(super) use inverse_transform;
