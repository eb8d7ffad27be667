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
// verilator lint_off PINCONNECTEMPTY
// (a decoder has all fields of its group; few mean something here)
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
    parameter HEAD       = 64,
    parameter MAX_TOKENS = 256,
    parameter ULTRA = 0
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

    wire [3:0] op;
    wire [15:0] wait_dma, wait_ldw, wait_cmp;
    wire is_set, is_xlin, is_macs, is_lnapply;
    wire swap_field, src_mem, dst_mem, bit_en, stalls;
    wire [11:0] n2_field;
    wire [13:0] dst_base;
    wire [15:0] bit_base, wb_w;
    wire [19:0] src_base;

    decode_header u_header (
        .word(cur), .op(op), .wait_dma(wait_dma), .wait_ldw(wait_ldw), .wait_cmp(wait_cmp)
    );
    decode_cmp_op u_op (
        .word(cur), .is_set(is_set), .is_xlin(is_xlin), .is_xconv(), .is_macv(),
        .is_macs(is_macs), .is_att(), .is_lnstat(), .is_lnapply(is_lnapply)
    );
    decode_nest u_nest (
        .word(cur), .drain(), .swap(swap_field), .n0(), .n1(), .n2(n2_field), .n3(), .xd()
    );
    decode_slots u_slots (
        .word(cur), .cm_base(), .cm_s0(), .cm_s1(), .cm_mask(), .cm_s2(), .om_base(), .q_base(),
        .q_mask(), .wb_w(wb_w)
    );
    decode_streams u_streams (
        .word(cur),
        .pre_en(), .pre_mem(), .pre_base(), .pre_s2(), .pre_s3(),
        .mid_en(), .mid_mem(), .mid_base(), .mid_s2(), .mid_s3(),
        .out_en(), .out_mem(), .out_base(), .out_s2(), .out_s3(),
        .dst_en(), .dst_mem(dst_mem), .dst_base(dst_base), .dst_s2(), .dst_s3(),
        .bit_en(bit_en), .bit_y3(), .bit_base(bit_base), .bit_s2(), .bit_s3()
    );
    decode_mac u_mac (
        .word(cur), .src_mem(src_mem), .src_taps(), .src_base(src_base), .src_s0(), .src_s1(),
        .src_s2(), .src_s3(), .quad(), .stencil()
    );
    decode_set u_set (
        .word(cur), .is_taps(), .is_att(stalls), .is_norm()
    );

    wire [15:0] a0 = retired_dma - wait_dma;
    wire [15:0] a1 = retired_ldw - wait_ldw;
    wire [15:0] a2 = retired_cmp - wait_cmp;
    wire wants_swap = !is_set && swap_field;
    wire go = !a0[15] && !a1[15] && !a2[15] && (!wants_swap || shadow_full);
    wire [11:0] n2 = is_set ? 12'd0 : n2_field;

    assign i_ready = state == S_GET;
    assign held = state != S_GET;
    assign busy = state == S_RUN;
    assign head = {wait_cmp, wait_ldw, wait_dma, op};
    assign port_conflict = 1'b0;
    assign t_start = state == S_WAIT && go;
    assign swap = t_start && wants_swap;
    assign t_issue_end = (state == S_RUN && k + 12'd1 == n2) || (t_start && n2 == 12'd0);
    assign wbr_re = state == S_RUN && is_macs;
    assign wbr_addr = wb_w + {4'd0, k};

    // Two stages after issue: WB's word is there.
    reg v1, v2;
    reg [11:0] k1, k2;
    reg [16*LANES-1:0] x1, x2;
    wire [13:0] src = src_base[13:0] + {2'd0, k};
    wire [13:0] dst = dst_base + {2'd0, k2};
    wire [16*LANES-1:0] read = mem[{src_mem, src}];
    wire [16*LANES-1:0] plus;
    genvar i;
    generate
        for (i = 0; i < LANES; i = i + 1) begin : gen_lane
            assign plus[16*i+:16] = read[16*i+:16] + 16'd1;
            assign t_dst_word[ACT_BITS*i+:ACT_BITS] = y[16*i+:ACT_BITS];
            assign t_bit_word[i] = !y[16*i+15];
        end
    endgenerate
    wire [16*LANES-1:0] y = is_macs ? wbr_word : x2;
    assign t_dst_valid = v2;
    assign t_dst_mem = dst_mem;
    assign t_dst_addr = dst;
    assign t_dst_mask = 8'hFF;
    assign t_bit_valid = v2 && bit_en;
    assign t_bit_addr = bit_base + {4'd0, k2};

    assign f_ready = !stall || lfsr[1:0] != 2'd0;
    assign fr_ready = !stall || lfsr[3:2] != 2'd0;
    reg f_was_ready;
    reg [16*LANES-1:0] fr1, fr2, fr3, fr4;
    assign fr_word = fr4;

    integer j;
    always @(posedge clk) begin
        lfsr <= {lfsr[14:0], lfsr[15] ^ lfsr[13] ^ lfsr[12] ^ lfsr[10]};
        fr1  <= mem[{fr_mem, fr_addr}];
        fr2  <= fr1;
        fr3  <= fr2;
        fr4  <= fr3;
        f_was_ready <= f_ready;
        if (f_we && f_was_ready) mem[{f_mem, f_addr}] <= f_word;
        if (v2) mem[{dst_mem, dst}] <= y;
        if (w_fill) for (j = 0; j < 256; j = j + 1) shadow[j] <= {16 * LANES{1'b1}};
        if (w_we) shadow[w_col] <= w_data;
        if (swap) for (j = 0; j < 256; j = j + 1) current[j] <= shadow[j];

        v1 <= state == S_RUN;
        v2 <= v1;
        k1 <= k;
        k2 <= k1;
        x1 <= is_xlin ? current[k[7:0]] : is_lnapply ? par[src[12:0]] : plus;
        if (p_we) par[{p_sel, p_slot, p_field}] <= p_word;
        if (t_start && is_set) stall <= stalls;
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
// verilator lint_on PINCONNECTEMPTY
`default_nettype wire
