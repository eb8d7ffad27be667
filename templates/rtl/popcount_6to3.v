// popcount_6to3: ones of N bits as G = ceil(N/6) numbers of three bits.
//
// count[3*g +: 3] = number of ones in group g; the sum over g is the number of ones in `bits`.
// The first N/6 groups hold six bits, a last one the remainder.
// Combinational. Cost: three LUT6 a group; keep_hierarchy as in popcount_xnor3.
(* keep_hierarchy *)
module popcount_6to3 #(
    parameter N = 43,
    parameter G = 8  // ceil(N / 6)
) (
    input  wire [  N-1:0] bits,
    output wire [3*G-1:0] count
);
    localparam FULL = N / 6;
    localparam REST = N - 6 * FULL;

    generate
        if (G != (N + 5) / 6) begin : gen_bad_g
            ERROR_popcount_6to3_G_must_be_N_over_6_rounded_up u_stop ();
        end
    endgenerate

    // Plane i gives bit i of every group.
    wire [G-1:0] plane0, plane1, plane2, plane3, plane4, plane5;
    wire [6*G-1:0] planes;
    assign {plane5, plane4, plane3, plane2, plane1, plane0} = planes;
    genvar i;
    generate
        for (i = 0; i < 6; i = i + 1) begin : gen_plane
            if (REST == 0 || i < REST) begin : gen_all
                assign planes[i*G+:G] = bits[i*G+:G];
            end else begin : gen_short
                assign planes[i*G+:G] = {1'b0, bits[i*FULL+REST+:FULL]};
            end
        end
    endgenerate

    wire [G-1:0] low = plane0 ^ plane1 ^ plane2;
    wire [G-1:0] high = plane3 ^ plane4 ^ plane5;
    wire [G-1:0] low2 = (plane0 & plane1) | (plane2 & (plane0 ^ plane1));
    wire [G-1:0] high2 = (plane3 & plane4) | (plane5 & (plane3 ^ plane4));
    wire [G-1:0] both = low & high;
    wire [G-1:0] c0 = low ^ high;
    wire [G-1:0] c1 = low2 ^ high2 ^ both;
    wire [G-1:0] c2 = (low2 & high2) | (both & (low2 ^ high2));

    genvar g;
    generate
        for (g = 0; g < G; g = g + 1) begin : gen_group
            assign count[3*g+:3] = {c2[g], c1[g], c0[g]};
        end
    endgenerate
endmodule
