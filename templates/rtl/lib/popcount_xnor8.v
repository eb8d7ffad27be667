// popcount_xnor8: agreements of eight bit pairs, in G independent groups.
//
// count[3*g +: 3] + 2 * two[g] = sum over i < 8 of (a[i*G + g] == b[i*G + g]); count <= 6.
// Two popcount_xnor3 of three pairs each; a carry chain adds the last two pairs and the `ones` of
// the second to the first: {y1, y0} + (x0 + 2 x1), x = two XNORs and one bit, so that every
// position of the chain is one LUT6 with five inputs for x.
// Combinational. Cost: six LUT6 and one CARRY4 a group; keep_hierarchy as in popcount_xnor3.
`default_nettype none
(* keep_hierarchy *)
module popcount_xnor8 #(
    parameter G = 16
) (
    input  wire [8*G-1:0] a,
    input  wire [8*G-1:0] b,
    output wire [3*G-1:0] count,
    output wire [  G-1:0] two
);
    wire [G-1:0] y0, y1, r;
    popcount_xnor3 #(
        .T(G)
    ) u_first (
        .a(a[0+:3*G]),
        .b(b[0+:3*G]),
        .ones(y0),
        .twos(y1)
    );
    popcount_xnor3 #(
        .T(G)
    ) u_second (
        .a(a[3*G+:3*G]),
        .b(b[3*G+:3*G]),
        .ones(r),
        .twos(two)
    );

    wire [G-1:0] s = ~(a[6*G+:G] ^ b[6*G+:G]);
    wire [G-1:0] t = ~(a[7*G+:G] ^ b[7*G+:G]);
    wire [G-1:0] x0 = s ^ t ^ r;
    wire [G-1:0] x1 = (s & t) | (r & (s ^ t));
    genvar g;
    generate
        for (g = 0; g < G; g = g + 1) begin : gen_group
            assign count[3*g+:3] = {1'b0, y1[g], y0[g]} + {1'b0, x1[g], x0[g]};
        end
    endgenerate
endmodule
`default_nettype wire
