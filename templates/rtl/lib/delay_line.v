// delay_line: q = d of DEPTH cycles ago (DEPTH = 0: a wire).
//
// RESET = 0: no reset, so that it maps to shift-register LUTs (addresses, modes).
// RESET = 1: cleared by rst (valid flags). Reset: synchronous, only with RESET = 1.
// Cost: WIDTH LUTs per 32 stages, or WIDTH x DEPTH flip-flops with RESET = 1.
`default_nettype none
module delay_line #(
    parameter WIDTH = 1,
    parameter DEPTH = 1,
    parameter RESET = 0
) (
    input  wire             clk,
    input  wire             rst,
    input  wire [WIDTH-1:0] d,
    output wire [WIDTH-1:0] q
);
    generate
        if (DEPTH == 0) begin : gen_wire
            wire unused = clk & rst;
            assign q = d;
        end else begin : gen_shift
            reg  [WIDTH*DEPTH-1:0] line_q;
            wire [WIDTH*DEPTH-1:0] line_d;
            if (DEPTH == 1) begin : gen_one
                assign line_d = d;
            end else begin : gen_more
                assign line_d = {line_q[WIDTH*(DEPTH-1)-1:0], d};
            end
            if (RESET != 0) begin : gen_reset
                always @(posedge clk) begin
                    line_q <= line_d;
                    if (rst) line_q <= {WIDTH*DEPTH{1'b0}};
                end
            end else begin : gen_plain
                wire unused = rst;
                always @(posedge clk) line_q <= line_d;
            end
            assign q = line_q[WIDTH*DEPTH-1 -: WIDTH];
        end
    endgenerate
endmodule
`default_nettype wire
