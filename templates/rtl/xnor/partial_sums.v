// partial_sums: adds the popcounts of the parts of a long dot product.
//
// Result i of an instruction (i counts from 0 at `i_restart`):
//   value = pop + (i_first ? 0 : PS[i]);  i_last ? output value : PS[i] <= value.
// Exact for any distance between two uses of an index of two cycles or more (a bypass for two).
// One does not occur: within an instruction the index counts, and between two instructions lies a
// cycle without a vector (activation_fetch.v).
// An index is stored only below PS_WORDS; the compiler keeps an instruction that stores within it.
//
// Names: i_* the vector's flags; r_* results; _1, _2, _3 the cycles behind t; again: the vector
// two cycles before stores the same index.
//
// Timing: i_* in cycle t, pop in cycle t + 2, r_* in cycle t + 3, from registers. One result per
// cycle, no back-pressure. Reset: control only. Cost: PS_WORDS x 16 L bits of RAM, 48 L FF, 17 LUT
// a lane: a bit of the sum is one LUT, with the bypass in it.
`default_nettype none
module partial_sums #(
    parameter LANES = 16,
    parameter PS_WORDS = 256,
    parameter POP_W = 16  // bits of a popcount; the bits above it in `pop` are not read
) (
    input  wire                clk,
    input  wire                rst,
    input  wire                i_valid,
    input  wire                i_restart,
    input  wire                i_first,
    input  wire                i_last,
    input  wire [         3:0] i_pattern,
    input  wire [16*LANES-1:0] pop,
    output wire                r_valid,
    output wire [16*LANES-1:0] r_pop,
    output wire [         3:0] r_pattern
);
    localparam AW = PS_WORDS > 1 ? $clog2(PS_WORDS) : 1;
    localparam W = 16 * LANES;

    (* ram_style = "block" *)
    reg [W-1:0] mem[0:PS_WORDS-1];
    reg [W-1:0] read_q;

    // Cycle t: index, read.
    reg [AW-1:0] next_q;
    wire [AW-1:0] index = i_restart ? {AW{1'b0}} : next_q;

    // Cycle t + 1 (_1), t + 2 (_2), t + 3 (_3).
    reg valid_1, store_1, store_2, store_3, valid_2, valid_3, first_1;
    reg [3:0] pattern_1, pattern_2, pattern_3;
    reg [AW-1:0] index_1, index_2, index_3;
    reg [W-1:0] held_2, sum_3, sum_4;

    wire again = !first_1 && store_3 && index_3 == index_1;
    wire [W-1:0] sum;
    genvar l;
    generate
        for (l = 0; l < LANES; l = l + 1) begin : gen_lane
            wire again_2;
            wire unused = &{1'b0, pop[16*l+:16]};
            register_copy #(
                .WIDTH(1)
            ) u_bypass (
                .clk(clk),
                .d(again),
                .q(again_2)
            );
            assign sum[16*l+:16] = {{(16 - POP_W) {1'b0}}, pop[16*l+:POP_W]}
                + (again_2 ? sum_4[16*l+:16] : held_2[16*l+:16]);
        end
    endgenerate

    assign r_valid = valid_3;
    assign r_pop = sum_3;
    assign r_pattern = pattern_3;

    always @(posedge clk) begin
        if (i_valid) next_q <= index + 1'b1;
        if (i_valid && !i_first) read_q <= mem[index];
        index_1 <= index;
        first_1 <= i_first;
        pattern_1 <= i_pattern;
        index_2 <= index_1;
        index_3 <= index_2;
        pattern_2 <= pattern_1;
        held_2 <= read_q;
        if (first_1) held_2 <= {W{1'b0}};
        pattern_3 <= pattern_2;
        sum_3 <= sum;
        sum_4 <= sum_3;
        if (store_2) mem[index_2] <= sum;
        valid_1 <= i_valid && i_last;
        store_1 <= i_valid && !i_last;
        valid_2 <= valid_1;
        store_2 <= store_1;
        store_3 <= store_2;
        valid_3 <= valid_2;
        if (rst) begin
            valid_1 <= 1'b0;
            valid_2 <= 1'b0;
            valid_3 <= 1'b0;
            store_1 <= 1'b0;
            store_2 <= 1'b0;
            store_3 <= 1'b0;
        end
    end
endmodule
`default_nettype wire
