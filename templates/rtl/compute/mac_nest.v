// mac_nest: the four nest levels of MACV, MACS, LNSTAT and LNAPPLY, one beat per cycle.
//
//   addr = base + i0 s0 + i1 s1 + i2 s2 + i3 s3 (modulo 2**20), pos = base + i2 s2 + i3 s3
//   cm = cm_base + i0 cm_s0 + i1 cm_s1 (modulo 256), wb = wb_base + running count of a result
//
// by adders only; i2 in the order of result_order. `load` (instruction stable in that cycle) in
// cycle t -> beats in t + 1 .. t + n0 n1 n2 n3, without gaps; `free` is high when idle and in the
// last beat, when the next load may come.
// stat (LNSTAT): first and last frame every level 1 iteration instead of the whole result.
// stencil: every level 1 iteration is a result.
// Names: *0, *1 (one0_q, last1_q, s0_q ..): level 0, 1; *_level1_q: at i0 = 0 of this level 1
// iteration; pos_*: at i0 = i1 = 0, of this result, of the first one of its phase and of its row.
// Reset: control only. Cost: 9 adders of 8 to 20 bits, about 330 flip-flops.
`default_nettype none
module mac_nest (
    input  wire        clk,
    input  wire        rst,
    input  wire        load,
    input  wire [11:0] n0,
    input  wire [7:0]  n1,
    input  wire [11:0] n2,
    input  wire [11:0] n3,
    input  wire [2:0]  xd,
    input  wire [19:0] base,
    input  wire [19:0] s0,
    input  wire [19:0] s1,
    input  wire [19:0] s2,
    input  wire [19:0] s3,
    input  wire [19:0] x2,          // xd s2
    input  wire [7:0]  cm_base,
    input  wire [7:0]  cm_s0,
    input  wire [7:0]  cm_s1,
    input  wire [15:0] wb_base,
    input  wire        stat,
    input  wire        stencil,
    output wire        free,
    output wire        valid,
    output wire [19:0] addr,
    output wire [19:0] pos,
    output wire [3:0]  i0,
    output wire [11:0] i2,
    output wire        phase,       // i1 modulo 2
    output wire        first,
    output wire        last,
    output wire        result,      // the last beat of a result
    output wire        stat_on,     // stat of the running instruction
    output wire [7:0]  cm,
    output wire [15:0] wb
);
    reg         busy_q;
    reg         stat_q;
    reg         stencil_q;
    reg  [11:0] n0_q;               // n0 - 1
    reg  [7:0]  n1_q;               // n1 - 1
    reg  [11:0] i0_q;
    reg  [7:0]  i1_q;
    reg  [19:0] s0_q;
    reg  [19:0] s1_q;
    reg  [19:0] addr_q;
    reg  [19:0] level1_q;           // addr at i0 = 0
    reg  [7:0]  cm_base_q;
    reg  [7:0]  cm_s0_q;
    reg  [7:0]  cm_s1_q;
    reg  [7:0]  cm_q;
    reg  [7:0]  cm_level1_q;
    reg  [15:0] wb_base_q;
    reg  [15:0] wb_q;

    // flags of the current beat, computed one cycle ahead
    reg         one0_q;             // n0 = 1
    reg         one1_q;
    reg         first0_q;
    reg         first1_q;
    reg         last0_q;
    reg         last1_q;
    wire [11:0] i0_next = i0_q + 12'd1;
    wire [7:0]  i1_next = i1_q + 8'd1;
    wire        step2 = busy_q && last0_q && last1_q;
    wire        step_x;
    wire        step_phase;
    wire        step_row;
    wire        done;
    wire [19:0] pos_next;
    wire [19:0] next1 = level1_q + s1_q;
    wire [7:0]  cm_next1 = cm_level1_q + cm_s1_q;

    result_order u_order (
        .clk(clk),
        .load(load),
        .n2(n2),
        .n3(n3),
        .xd(xd),
        .step(step2),
        .i2(i2),
        .step_x(step_x),
        .step_phase(step_phase),
        .step_row(step_row),
        .done(done)
    );

    // position of the current result, and of the next one
    reg  [19:0] pos_q;
    reg  [19:0] pos_phase_q;
    reg  [19:0] pos_row_q;
    reg  [19:0] s2_q;
    reg  [19:0] s3_q;
    reg  [19:0] x2_q;
    wire [19:0] next_phase = pos_phase_q + s2_q;
    wire [19:0] next_row = pos_row_q + s3_q;

    assign pos_next = step_x ? pos_q + x2_q : step_phase ? next_phase : next_row;

    assign free = !busy_q || (step2 && done);
    assign valid = busy_q;
    assign addr = addr_q;
    assign pos = pos_q;
    assign i0 = i0_q[3:0];
    assign phase = i1_q[0];
    assign first = first0_q && (stat_q || stencil_q || first1_q);
    assign last = last0_q && (stat_q || stencil_q || last1_q);
    assign result = last0_q && (stencil_q || last1_q);
    assign stat_on = stat_q;
    assign cm = cm_q;
    assign wb = wb_q;

    always @(posedge clk) begin
        if (load) begin
            stat_q <= stat;
            stencil_q <= stencil;
            n0_q <= n0 - 12'd1;
            n1_q <= n1 - 8'd1;
            i0_q <= 12'd0;
            i1_q <= 8'd0;
            one0_q <= n0 == 12'd1;
            one1_q <= n1 == 8'd1;
            first0_q <= 1'b1;
            first1_q <= 1'b1;
            last0_q <= n0 == 12'd1;
            last1_q <= n1 == 8'd1;
            s0_q <= s0;
            s1_q <= s1;
            s2_q <= s2;
            s3_q <= s3;
            x2_q <= x2;
            addr_q <= base;
            level1_q <= base;
            pos_q <= base;
            pos_phase_q <= base;
            pos_row_q <= base;
            cm_base_q <= cm_base;
            cm_s0_q <= cm_s0;
            cm_s1_q <= cm_s1;
            cm_q <= cm_base;
            cm_level1_q <= cm_base;
            wb_base_q <= wb_base;
            wb_q <= wb_base;
        end else if (!last0_q) begin
            i0_q <= i0_next;
            first0_q <= 1'b0;
            last0_q <= i0_next == n0_q;
            addr_q <= addr_q + s0_q;
            cm_q <= cm_q + cm_s0_q;
            wb_q <= wb_q + 16'd1;
        end else if (!last1_q) begin
            i0_q <= 12'd0;
            i1_q <= i1_next;
            first0_q <= 1'b1;
            first1_q <= 1'b0;
            last0_q <= one0_q;
            last1_q <= i1_next == n1_q;
            addr_q <= next1;
            level1_q <= next1;
            cm_q <= cm_next1;
            cm_level1_q <= cm_next1;
            wb_q <= wb_q + 16'd1;
        end else begin
            i0_q <= 12'd0;
            i1_q <= 8'd0;
            first0_q <= 1'b1;
            first1_q <= 1'b1;
            last0_q <= one0_q;
            last1_q <= one1_q;
            addr_q <= pos_next;
            level1_q <= pos_next;
            pos_q <= pos_next;
            if (!step_x) pos_phase_q <= pos_next;
            if (!step_x && !step_phase) pos_row_q <= pos_next;
            cm_q <= cm_base_q;
            cm_level1_q <= cm_base_q;
            wb_q <= wb_base_q;
        end
        busy_q <= load || !free;
        if (rst) busy_q <= 1'b0;
    end

    wire unused = step_row;
endmodule
`default_nettype wire
