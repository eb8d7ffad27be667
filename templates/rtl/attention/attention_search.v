// Least score that reaches a bound: r = #{p : EXP[p] < bound}, so that
// EXP[p] >= bound <=> p >= r.
//
// EXP does not fall with p: a binary search, one bit of r per cycle. Latency 7 cycles, one bound
// per cycle; no reset: data only. Bit 24 of bound says that 24 bits are too few: r = 127, which no
// score reaches.
// Names: r_at, bound_at before every step; r_in, b_in before this one, r_q, b_q behind it.
// Cost: 219 LUT and 245 FF (Yosys); the same for any PK, where comparing keys with the bounds
// themselves would cost about 75 LUT a key.
`default_nettype none
module attention_search (
    input  wire        clk,
    input  wire [24:0] bound,
    output wire [6:0]  r
);
    wire [7*8-1:0]  r_at;  // state before step i in bits [i*7 +: 7]
    wire [25*8-1:0] bound_at;

    assign r_at[6:0]      = 7'd0;
    assign bound_at[24:0] = bound;
    assign r              = r_at[7*7 +: 7];

    wire unused_bound = &{1'b0, bound_at[25*7 +: 25]};

    genvar i;
    generate
        for (i = 0; i < 7; i = i + 1) begin : gen_step
            localparam S = 6 - i;  // bit decided by this step
            wire [6:0]  r_in = r_at[7*i +: 7];
            wire [24:0] b_in = bound_at[25*i +: 25];
            wire [6:0]  p    = (r_in & (7'h7f << (S + 1))) | ((7'd1 << S) - 7'd1);
            wire [23:0] e;
            reg  [6:0]  r_q;
            reg  [24:0] b_q;
            // e < b: the bound as left operand, a register, so that the ROM and the comparison are
            // one LUT a bit in the steps of few rows
            wire [26:0] diff = {1'b1, b_in, 1'b0} - {2'b00, e, 1'b1};
            wire        unused_diff = &{1'b0, diff[25:0]};
            attention_exp u_exp (.p(p), .e(e));
            always @(posedge clk) begin
                r_q <= r_in | (diff[26] ? (7'd1 << S) : 7'd0);
                b_q <= b_in;
            end
            assign r_at[7*(i+1) +: 7]       = r_q;
            assign bound_at[25*(i+1) +: 25] = b_q;
        end
    endgenerate
endmodule
`default_nettype wire
