// xnor_array: L x KW binary weights held in flip-flops; one activation vector per cycle.
//
// pop[16*l +: 16] = popcount(xnor(act of lane l's quadrant, current weights of lane l)); lanes
// q L/4 .. (q + 1) L/4 - 1 see act[q*KW +: KW].
// Weights: `w_fill` sets all shadow bits a cycle later, `w_we` writes columns 16 w_col .. 16 w_col
// + 15 of every lane (lane l in w_data[16*l +: 16]), `swap` copies shadow to current a cycle later;
// the vector in `act` two cycles after it is the first that sees them. Vectors already counted are
// not disturbed.
// Latency: pop is valid POP_AT = 5 cycles after act. One vector per cycle. Reset: none (data only).
// Cost: 2 L KW FF for the weights (shadow writes use set and clock enable, no LUT) and L popcounts,
// about 1.22 LUT and 0.85 FF a bit.
`default_nettype none
module xnor_array #(
    parameter LANES = 16,
    parameter KW = 128
) (
    input  wire                clk,
    input  wire                w_fill,
    input  wire                w_we,
    input  wire [         7:0] w_col,
    input  wire [16*LANES-1:0] w_data,
    input  wire                swap,
    input  wire [    4*KW-1:0] act,
    output wire [16*LANES-1:0] pop
);
    localparam GROUPS = KW / 16;
    localparam POP_W = $clog2(KW + 1);
    localparam GW = 16 * LANES;

    generate
        if (LANES < 4 || LANES % 4 != 0) begin : gen_bad_lanes
            ERROR_xnor_array_LANES_must_be_a_multiple_of_4 u_stop ();
        end
    endgenerate

    // Column group g of all lanes: bits [g*GW +: GW].
    wire [GROUPS*GW-1:0] current;
    genvar g;
    generate
        for (g = 0; g < GROUPS; g = g + 1) begin : gen_group
            reg [GW-1:0] shadow_q;
            reg [GW-1:0] current_q;
            wire fill_1, swap_1;
            register_copy #(
                .WIDTH(2)
            ) u_copy (
                .clk(clk),
                .d({w_fill, swap}),
                .q({fill_1, swap_1})
            );
            always @(posedge clk) begin
                if (fill_1) shadow_q <= {GW{1'b1}};
                else if (w_we && w_col == g) shadow_q <= w_data;
                if (swap_1) current_q <= shadow_q;
            end
            assign current[g*GW+:GW] = current_q;
        end
    endgenerate

    genvar l, c;
    generate
        for (l = 0; l < LANES; l = l + 1) begin : gen_lane
            wire [KW-1:0] weight;
            wire [POP_W-1:0] count;
            for (c = 0; c < GROUPS; c = c + 1) begin : gen_column
                assign weight[16*c+:16] = current[c*GW+16*l+:16];
            end
            popcount #(
                .KW(KW),
                .POP_W(POP_W)
            ) u_popcount (
                .clk(clk),
                .act(act[(4*l/LANES)*KW+:KW]),
                .weight(weight),
                .pop(count)
            );
            assign pop[16*l+:16] = {{(16 - POP_W) {1'b0}}, count};
        end
    endgenerate
endmodule
`default_nettype wire
