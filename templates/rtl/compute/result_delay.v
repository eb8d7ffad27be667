// result_delay: carries what a result needs later from stage 0 of the lanes to its stage.
//
//   residual requests at PRE_AT - 2, MID_AT - 2, OUT_AT - 2 (memories answer 2 cycles later),
//   their memory select and whether there is one at PRE_AT, MID_AT, OUT_AT; destination at Y_AT;
//   statistics at ACC_AT;
//   `retired` in Y_AT, the cycle of the instruction's last write.
//
// Names: pre, mid, out residual streams; dst, bit destinations. _en: the result has one; _re, _at
// the request with {mem, addr}; _on, _sel when its word is there: whether there is one, and its
// memory.
// So every instruction in flight keeps its own addresses and enables. Throughput one result per
// cycle. Reset: valid flags only. Cost: about 60 shift-register LUTs, 100 flip-flops.
`default_nettype none
module result_delay #(
    parameter PRE_AT = 8,
    parameter MID_AT = 16,
    parameter OUT_AT = 22,
    parameter Y_AT = 26,
    parameter ACC_AT = 6
) (
    input  wire        clk,
    input  wire        rst,
    // stage 0
    input  wire        step,
    input  wire        retire,
    input  wire        pre_en,
    input  wire        mid_en,
    input  wire        out_en,
    input  wire        dst_en,
    input  wire        bit_en,
    input  wire [14:0] pre,        // {mem, addr}
    input  wire [14:0] mid,
    input  wire [14:0] out,
    input  wire [14:0] dst,
    input  wire [7:0]  dst_mask,
    input  wire [15:0] bit_addr,
    input  wire        stat,       // the last beat of a sum (phase 0) or sum of squares (1)
    input  wire        stat_phase,
    // later
    output wire        pre_re,
    output wire        mid_re,
    output wire        out_re,
    output wire [14:0] pre_at,
    output wire [14:0] mid_at,
    output wire [14:0] out_at,
    output wire        pre_sel,
    output wire        mid_sel,
    output wire        out_sel,
    output wire        pre_on,
    output wire        mid_on,
    output wire        out_on,
    output wire        dst_next,   // dst_we and its memory in the next cycle
    output wire        dst_next_mem,
    output wire        dst_we,
    output wire        bit_we,
    output wire [14:0] dst_at,
    output wire [7:0]  dst_mask_at,
    output wire [15:0] bit_at,
    output wire        retired,
    output wire        acc_stat,
    output wire        acc_phase
);
    generate
        if (PRE_AT < 3 || MID_AT < 3 || OUT_AT < 3 || Y_AT < 1 || ACC_AT < 1) begin : gen_guard
            ERROR_result_delay_stages_must_be_at_least_3 u_stop ();
        end
    endgenerate

    delay_line #(.WIDTH(1), .DEPTH(PRE_AT - 2), .RESET(1)) u_pre_re (
        .clk(clk), .rst(rst), .d(step && pre_en), .q(pre_re)
    );
    delay_line #(.WIDTH(15), .DEPTH(PRE_AT - 2), .RESET(0)) u_pre (
        .clk(clk), .rst(rst), .d(pre), .q(pre_at)
    );
    delay_line #(.WIDTH(2), .DEPTH(2), .RESET(0)) u_pre_sel (
        .clk(clk), .rst(rst), .d({pre_re, pre_at[14]}), .q({pre_on, pre_sel})
    );
    delay_line #(.WIDTH(1), .DEPTH(MID_AT - 2), .RESET(1)) u_mid_re (
        .clk(clk), .rst(rst), .d(step && mid_en), .q(mid_re)
    );
    delay_line #(.WIDTH(15), .DEPTH(MID_AT - 2), .RESET(0)) u_mid (
        .clk(clk), .rst(rst), .d(mid), .q(mid_at)
    );
    delay_line #(.WIDTH(2), .DEPTH(2), .RESET(0)) u_mid_sel (
        .clk(clk), .rst(rst), .d({mid_re, mid_at[14]}), .q({mid_on, mid_sel})
    );
    delay_line #(.WIDTH(1), .DEPTH(OUT_AT - 2), .RESET(1)) u_out_re (
        .clk(clk), .rst(rst), .d(step && out_en), .q(out_re)
    );
    delay_line #(.WIDTH(15), .DEPTH(OUT_AT - 2), .RESET(0)) u_out (
        .clk(clk), .rst(rst), .d(out), .q(out_at)
    );
    delay_line #(.WIDTH(2), .DEPTH(2), .RESET(0)) u_out_sel (
        .clk(clk), .rst(rst), .d({out_re, out_at[14]}), .q({out_on, out_sel})
    );
    delay_line #(.WIDTH(2), .DEPTH(Y_AT - 1), .RESET(1)) u_next (
        .clk(clk), .rst(rst), .d({step && dst_en, dst[14]}), .q({dst_next, dst_next_mem})
    );
    delay_line #(.WIDTH(2), .DEPTH(Y_AT), .RESET(1)) u_write (
        .clk(clk), .rst(rst), .d({step && bit_en, retire}), .q({bit_we, retired})
    );
    delay_line #(.WIDTH(1), .DEPTH(1), .RESET(1)) u_dst_we (
        .clk(clk), .rst(rst), .d(dst_next), .q(dst_we)
    );
    delay_line #(.WIDTH(39), .DEPTH(Y_AT), .RESET(0)) u_dst (
        .clk(clk), .rst(rst), .d({dst, dst_mask, bit_addr}), .q({dst_at, dst_mask_at, bit_at})
    );
    delay_line #(.WIDTH(1), .DEPTH(ACC_AT), .RESET(1)) u_stat (
        .clk(clk), .rst(rst), .d(stat), .q(acc_stat)
    );
    delay_line #(.WIDTH(1), .DEPTH(ACC_AT), .RESET(0)) u_phase (
        .clk(clk), .rst(rst), .d(stat_phase), .q(acc_phase)
    );
endmodule
`default_nettype wire
