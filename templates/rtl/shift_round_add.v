// shift_round_add: y = sat_OUT_W(rshift_round(x, s) + b), rshift_round(x, s) = (x + 2^(s-1)) >> s.
//
// x is taken in cycle 0 with s[SH_W-1:3]; s[2:1] is wanted in cycle 1, s[0] and b in cycle 2;
// y is valid in cycle 3. One result per cycle, no reset, no stall.
//   cycle 0  {x, 0} >>> 8 s[SH_W-1:3]: one bit below the point, the one that rounds
//   cycle 1  >>> 2 s[2:1]
//   cycle 2  >>> s[0] (part of the adder's LUT), + b, + rounding bit
//   cycle 3  saturation multiplexer, which the reader's adder absorbs
// Bits that leave a window set `over`: the value is then so large that any b still saturates.
// Cost (Yosys, xc7): IN_W = 40, SH_W = 6, OUT_W = 18: 144 LUT, 72 FF; 35, 5, 16: 101 LUT, 66 FF.
module shift_round_add #(
    parameter IN_W  = 40,
    parameter SH_W  = 6,   // 4 .. 6
    parameter B_W   = 16,
    parameter OUT_W = 18
) (
    input  wire                    clk,
    input  wire signed [IN_W-1:0]  x,
    input  wire [SH_W-4:0]         s_hi,   // cycle 0
    input  wire [1:0]              s_mid,  // cycle 1
    input  wire                    s_lo,   // cycle 2
    input  wire signed [B_W-1:0]   b,      // cycle 2
    output wire signed [OUT_W-1:0] y       // cycle 3
);
    // A value outside W bits stays outside OUT_W bits after a last shift by 1 and + b.
    localparam W  = ((OUT_W > B_W) ? OUT_W : B_W) + 2;
    localparam AW = W + 7;                     // window after the coarse shift, with rounding bit
    localparam NG = (IN_W - (W + 6) + 7) / 8;  // groups of 8 bits above it

    generate
        if (IN_W < W + 7) begin : gen_guard
            ERROR_shift_round_add_IN_W_must_exceed_the_window u_stop ();
        end
    endgenerate

    // ---- cycle 0
    wire signed [IN_W:0] ext = {x, 1'b0};
    wire signed [IN_W:0] coarse = ext >>> {s_hi, 3'b000};
    wire [8*NG-1:0] above = {{(8*NG - IN_W + W + 6){1'b0}},
                             ext[IN_W-1:W+6] ^ {(IN_W-W-6){x[IN_W-1]}}};
    wire [NG-1:0] group;
    genvar k;
    generate
        for (k = 0; k < NG; k = k + 1) begin : gen_group
            assign group[k] = |above[8*k +: 8];
        end
    endgenerate
    wire [NG-1:0] mask = {NG{1'b1}} << s_hi;
    wire unused_coarse = &{1'b0, coarse[IN_W:AW]};

    reg signed [AW-1:0] a_q;
    reg                 a_over_q;
    reg                 a_neg_q;
    always @(posedge clk) begin
        a_q      <= coarse[AW-1:0];
        a_over_q <= |(group & mask);
        a_neg_q  <= x[IN_W-1];
    end

    // ---- cycle 1
    wire signed [AW-1:0] fine = a_q >>> {s_mid, 1'b0};
    wire [5:0] top = a_q[W+5:W] ^ {6{a_neg_q}};
    wire [2:0] pair = {|top[5:4], |top[3:2], |top[1:0]};
    wire [2:0] pair_mask = 3'b111 << s_mid;
    wire unused_fine = &{1'b0, fine[AW-1:W+1]};

    reg signed [W:0] b_q;
    reg              b_over_q;
    reg              b_neg_q;
    always @(posedge clk) begin
        b_q      <= fine[W:0];
        b_over_q <= a_over_q | (|(pair & pair_mask));
        b_neg_q  <= a_neg_q;
    end

    // ---- cycle 2
    wire signed [W:0] last = b_q >>> s_lo;
    wire signed [W:0] sum = $signed({last[W], last[W:1]}) + $signed({{(W+1-B_W){b[B_W-1]}}, b})
                          + $signed({{W{1'b0}}, last[0]});

    reg [OUT_W-1:0] y_q;
    reg             y_over_q;
    reg             y_neg_q;
    always @(posedge clk) begin
        y_q      <= sum[OUT_W-1:0];
        y_over_q <= b_over_q | (sum[W:OUT_W-1] != {(W-OUT_W+2){sum[W]}});
        y_neg_q  <= b_over_q ? b_neg_q : sum[W];
    end

    // ---- cycle 3
    assign y = $signed(y_over_q ? {y_neg_q, {(OUT_W-1){~y_neg_q}}} : y_q);
endmodule
