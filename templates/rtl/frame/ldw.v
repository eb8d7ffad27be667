// LDW unit: copies WB words into the shadow weights of the XNOR array.
//
// One instruction: wait until its wait_* counts are reached and `shadow_full` is 0, pulse `w_fill`
// (all shadow bits 1), read WB words wb .. wb + n - 1 (the port is granted by `wb_ready`) and write
// word k to columns 16 k .. 16 k + 15 with w_we, w_col = k. Then `shadow_full` rises until `swap`.
//
// Names: i_* the queue's oldest instruction; op_q, wait_*_q of the one that is held; wb_* reads of
// WB, w_* writes of the shadow weights. ahead_*: retired - wait.
//
// Timing: i_word taken in cycle t, conditions met in cycle s >= t + 2, counts a cycle before:
// w_fill in s + 1, one word per cycle read from s + 1 on (n of them when never refused), w_we three
// cycles after the first read, retired and shadow_full in s + n + LDW_TAIL as listed in
// hwgen/units/sequencer.py.
// Reset: control only. Cost (Yosys): 99 LUT, 16 L + 123 FF.
`default_nettype none
module ldw #(
    parameter LANES  = 16,
    parameter I_BITS = 128  // bits of an instruction that the queue keeps: isa.queue_bits("ldw")
) (
    input wire clk,
    input wire rst,

    // Queue: the low bits of an instruction.
    input  wire              i_valid,
    output reg               i_ready,
    input  wire [I_BITS-1:0] i_word,

    input  wire [15:0] retired_dma,
    input  wire [15:0] retired_cmp,
    output reg  [15:0] retired_ldw,

    output reg                 wb_re,
    output reg  [        15:0] wb_addr,
    input  wire                wb_ready,
    input  wire [16*LANES-1:0] wb_word,

    output reg                 w_fill,
    output reg                 w_we,
    output reg  [         7:0] w_col,
    output reg  [16*LANES-1:0] w_data,
    input  wire                swap,
    output reg                 shadow_full,

    output wire        busy,   // an instruction is held
    output wire        start,  // strobe: its conditions are met
    output reg         retire, // strobe: it retires
    output wire [51:0] head    // {wait_cmp, wait_ldw, wait_dma, op} of the held instruction
);
    generate
        if (I_BITS > 511) begin : gen_guard
            ERROR_ldw_I_BITS_must_be_less_than_512 u_stop ();
        end
    endgenerate

    // ---- fields
    wire [511:0] i_full = {{(512 - I_BITS) {1'b0}}, i_word};
    wire [3:0] i_op;
    wire [15:0] i_wait_dma;
    wire [15:0] i_wait_ldw;
    wire [15:0] i_wait_cmp;
    wire [15:0] i_wb;
    wire [7:0] i_n;

    decode_header u_header (
        .word(i_full),
        .op(i_op),
        .wait_dma(i_wait_dma),
        .wait_ldw(i_wait_ldw),
        .wait_cmp(i_wait_cmp)
    );

    decode_ldw u_fields (
        .word(i_full),
        .wb(i_wb),
        .n(i_n)
    );

    // ---- copy
    // States, one-hot.
    localparam S_GET = 0;
    localparam S_COUNT = 1;  // the counts are compared
    localparam S_WAIT = 2;
    localparam S_READ = 3;
    localparam S_LAST = 4;

    reg [4:0] state;
    reg [3:0] op_q;
    reg [15:0] wait_dma_q;
    reg [15:0] wait_ldw_q;
    reg [15:0] wait_cmp_q;
    reg [7:0] left_q;
    reg none_q;  // left_q is 0 at first
    reg met_q;
    reg [7:0] col_q;
    reg [1:0] pipe_q;  // reads in flight; bit 1 set: wb_word is valid now

    wire [15:0] ahead_dma = retired_dma - wait_dma_q;
    wire [15:0] ahead_ldw = retired_ldw - wait_ldw_q;
    wire [15:0] ahead_cmp = retired_cmp - wait_cmp_q;
    wire go = state[S_WAIT] && met_q && !shadow_full;
    wire read_last = state[S_READ] && wb_ready && left_q == 8'd1;
    wire fire = wb_re && wb_ready;
    // of the next cycle: nothing is on its way any more
    wire retires = ((go && none_q) || (state[S_LAST] && !retire)) && pipe_q == 2'd0;
    wire unused = &{1'b0, ahead_dma[14:0], ahead_ldw[14:0], ahead_cmp[14:0]};

    assign busy = !state[S_GET];
    assign start = go;
    assign head = {wait_cmp_q, wait_ldw_q, wait_dma_q, op_q};

    always @(posedge clk) begin
        w_fill <= start;
        w_we   <= pipe_q[1];
        w_col  <= col_q;
        w_data <= wb_word;
        if (pipe_q[1]) col_q <= col_q + 8'd1;
        pipe_q <= {pipe_q[0], fire};

        if (i_ready) begin
            op_q <= i_op;
            wait_dma_q <= i_wait_dma;
            wait_ldw_q <= i_wait_ldw;
            wait_cmp_q <= i_wait_cmp;
            wb_addr <= i_wb;
            left_q <= i_n;
            col_q <= 8'd0;
        end
        met_q <= !ahead_dma[15] && !ahead_ldw[15] && !ahead_cmp[15];
        none_q <= left_q == 8'd0;
        if (fire) begin
            wb_addr <= wb_addr + 16'd1;
            left_q  <= left_q - 8'd1;
        end
        wb_re <= (go && !none_q) || (wb_re && !read_last);
        retire <= retires;
        i_ready <= (i_ready && !i_valid) || retires;
        state[S_GET] <= i_ready && !i_valid;
        state[S_COUNT] <= i_ready && i_valid;
        state[S_WAIT] <= state[S_COUNT] || (state[S_WAIT] && !go);
        state[S_READ] <= (go && !none_q) || (state[S_READ] && !read_last);
        state[S_LAST] <= (go && none_q) || read_last || (state[S_LAST] && !retire);

        if (retire) begin
            shadow_full <= 1'b1;
            retired_ldw <= retired_ldw + 16'd1;
        end else if (swap) begin
            shadow_full <= 1'b0;
        end

        if (rst) begin
            state <= 5'd1;
            i_ready <= 1'b1;
            retire <= 1'b0;
            wb_re <= 1'b0;
            pipe_q <= 2'd0;
            w_fill <= 1'b0;
            w_we <= 1'b0;
            shadow_full <= 1'b0;
            retired_ldw <= 16'd0;
        end
    end
endmodule
`default_nettype wire
