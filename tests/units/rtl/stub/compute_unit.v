// Stand-in for compute_unit.v in tests of everything around it; same ports, no arithmetic worth
// the name. FM and TM are plain memories.
//
//   MACV  n2 words: dst[dst_base + k] = src[src_base + k] + 1 per lane, mem dst_mem / src_mem
//   MACS  n2 words: dst[dst_base + k] = WB[wb_w + k]
//   XLIN  n2 words of the current array weights (columns 16 k ..) to dst; `swap` as in the engine
//   LNAPPLY n2 words: parameter memories, word {sel, slot, field} = src_base + k
//   SET   kind 1: from now on f_ready and fr_ready are low in a quarter of the cycles; kind 0:
//         never
// Each dst word is traced; with bit_en its lanes' sign bits are a bit write at bit_base + k.
`default_nettype none
module compute_unit #(
    parameter LANES      = 16,
    parameter ACT_BITS   = 16,
    parameter KW         = 128,
    parameter GU         = 4,
    parameter GS         = 8,
    parameter FM_WORDS   = 1024,
    parameter TM_WORDS   = 1024,
    parameter BM_ROWS    = 512,
    parameter PS_WORDS   = 256,
    parameter CM_SLOTS   = 64,
    parameter OM_SLOTS   = 32,
    parameter QM_SLOTS   = 16,
    parameter NT_WORDS   = 64,
    parameter PK         = 4,
    parameter MAX_TOKENS = 256
) (
    input  wire                      clk,
    input  wire                      rst,
    input  wire                      i_valid,
    output wire                      i_ready,
    input  wire [             511:0] i_word,
    input  wire [              15:0] retired_dma,
    input  wire [              15:0] retired_ldw,
    output reg  [              15:0] retired_cmp,
    input  wire                      shadow_full,
    output wire                      swap,
    input  wire                      w_fill,
    input  wire                      w_we,
    input  wire [               7:0] w_col,
    input  wire [      16*LANES-1:0] w_data,
    output wire                      wbr_re,
    output wire [              15:0] wbr_addr,
    input  wire [      16*LANES-1:0] wbr_word,
    input  wire                      p_we,
    input  wire [               1:0] p_sel,
    input  wire [               7:0] p_slot,
    input  wire [               2:0] p_field,
    input  wire [      16*LANES-1:0] p_word,
    input  wire                      f_we,
    input  wire                      f_mem,
    input  wire [              13:0] f_addr,
    input  wire [      16*LANES-1:0] f_word,
    output wire                      f_ready,
    input  wire                      fr_re,
    input  wire                      fr_mem,
    input  wire [              13:0] fr_addr,
    output wire                      fr_ready,
    output wire [      16*LANES-1:0] fr_word,
    output wire                      busy,
    output wire                      held,
    output wire [              51:0] head,
    output wire                      port_conflict,
    output wire                      t_dst_valid,
    output wire                      t_dst_mem,
    output wire [              13:0] t_dst_addr,
    output wire [               7:0] t_dst_mask,
    output wire [LANES*ACT_BITS-1:0] t_dst_word,
    output wire                      t_bit_valid,
    output wire [              15:0] t_bit_addr,
    output wire [         LANES-1:0] t_bit_word,
    output wire                      t_start,
    output wire                      t_issue_end
);
    localparam [3:0] OP_LNAPPLY = 4'd15;
    localparam [3:0] OP_SET = 4'd8;
    localparam [3:0] OP_XLIN = 4'd9;
    localparam [3:0] OP_MACV = 4'd11;
    localparam [3:0] OP_MACS = 4'd12;
`include "compute_unit_stub.vh"

    localparam [1:0] S_GET = 2'd0;
    localparam [1:0] S_WAIT = 2'd1;
    localparam [1:0] S_RUN = 2'd2;
    localparam [1:0] S_TAIL = 2'd3;

    (* ram_style = "block" *)
    reg [16*LANES-1:0] mem[0:32767];  // FM, TM
    (* ram_style = "block" *)
    reg [16*LANES-1:0] par[0:8191];   // {sel, slot, field}
    reg stall;
    (* ram_style = "block" *)
    reg [16*LANES-1:0] shadow[0:255];
    (* ram_style = "block" *)
    reg [16*LANES-1:0] current[0:255];

    reg [1:0] state;
    reg [511:0] cur;
    reg [11:0] k;
    reg [2:0] tail;
    reg [15:0] lfsr;

    wire [3:0] op = cur[3:0];
    wire [15:0] a0 = retired_dma - cur[I_WAIT_DMA+:16];
    wire [15:0] a1 = retired_ldw - cur[I_WAIT_LDW+:16];
    wire [15:0] a2 = retired_cmp - cur[I_WAIT_CMP+:16];
    wire wants_swap = op != OP_SET && cur[C_SWAP];
    wire go = !a0[15] && !a1[15] && !a2[15] && (!wants_swap || shadow_full);
    wire [11:0] n2 = op == OP_SET ? 12'd0 : cur[C_N2+:12];

    assign i_ready = state == S_GET;
    assign held = state != S_GET;
    assign busy = state == S_RUN;
    assign head = cur[51:0];
    assign port_conflict = 1'b0;
    assign t_start = state == S_WAIT && go;
    assign swap = t_start && wants_swap;
    assign t_issue_end = (state == S_RUN && k + 12'd1 == n2) || (t_start && n2 == 12'd0);
    assign wbr_re = state == S_RUN && op == OP_MACS;
    assign wbr_addr = cur[C_WB_W+:16] + {4'd0, k};

    // Two stages after issue: WB's word is there.
    reg v1, v2;
    reg [11:0] k1, k2;
    reg [16*LANES-1:0] x1, x2;
    wire [13:0] src = cur[C_SRC_BASE+:14] + {2'd0, k};
    wire [13:0] dst = cur[C_DST_BASE+:14] + {2'd0, k2};
    wire [16*LANES-1:0] read = mem[{cur[C_SRC_MEM], src}];
    wire [16*LANES-1:0] plus;
    genvar i;
    generate
        for (i = 0; i < LANES; i = i + 1) begin : gen_lane
            assign plus[16*i+:16] = read[16*i+:16] + 16'd1;
            assign t_dst_word[ACT_BITS*i+:ACT_BITS] = y[16*i+:ACT_BITS];
            assign t_bit_word[i] = !y[16*i+15];
        end
    endgenerate
    wire [16*LANES-1:0] y = op == OP_MACS ? wbr_word : x2;
    assign t_dst_valid = v2;
    assign t_dst_mem = cur[C_DST_MEM];
    assign t_dst_addr = dst;
    assign t_dst_mask = 8'hFF;
    assign t_bit_valid = v2 && cur[C_BIT_EN];
    assign t_bit_addr = cur[C_BIT_BASE+:16] + {4'd0, k2};

    assign f_ready = !stall || lfsr[1:0] != 2'd0;
    assign fr_ready = !stall || lfsr[3:2] != 2'd0;
    reg [16*LANES-1:0] fr1, fr2;
    assign fr_word = fr2;

    integer j;
    always @(posedge clk) begin
        lfsr <= {lfsr[14:0], lfsr[15] ^ lfsr[13] ^ lfsr[12] ^ lfsr[10]};
        fr1  <= mem[{fr_mem, fr_addr}];
        fr2  <= fr1;
        if (f_we && f_ready) mem[{f_mem, f_addr}] <= f_word;
        if (v2) mem[{cur[C_DST_MEM], dst}] <= y;
        if (w_fill) for (j = 0; j < 256; j = j + 1) shadow[j] <= {16 * LANES{1'b1}};
        if (w_we) shadow[w_col] <= w_data;
        if (swap) for (j = 0; j < 256; j = j + 1) current[j] <= shadow[j];

        v1 <= state == S_RUN;
        v2 <= v1;
        k1 <= k;
        k2 <= k1;
        x1 <= op == OP_XLIN ? current[k[7:0]] : op == OP_LNAPPLY ? par[src[12:0]] : plus;
        if (p_we) par[{p_sel, p_slot, p_field}] <= p_word;
        if (t_start && op == OP_SET) stall <= cur[SET_KIND];
        x2 <= x1;
        case (state)
            S_GET:
                if (i_valid) begin
                    cur   <= i_word;
                    state <= S_WAIT;
                    k     <= 12'd0;
                    tail  <= 3'd0;
                end
            S_WAIT: if (go) state <= n2 == 12'd0 ? S_TAIL : S_RUN;
            S_RUN: begin
                k <= k + 12'd1;
                if (t_issue_end) state <= S_TAIL;
            end
            default: begin
                tail <= tail + 3'd1;
                if (tail == 3'd4) begin
                    retired_cmp <= retired_cmp + 16'd1;
                    state <= S_GET;
                end
            end
        endcase
        if (rst) begin
            state <= S_GET;
            v1 <= 1'b0;
            v2 <= 1'b0;
            retired_cmp <= 16'd0;
            stall <= 1'b0;
            lfsr <= 16'hACE1;
        end
    end
endmodule
`default_nettype wire
