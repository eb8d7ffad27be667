// DSP48E2 as UG579 describes it, for simulation: what hwgen/synth/dsp48e2.v makes of a DSP48E1. No
// other use of it is modelled, and what is not modelled ends the simulation.
`default_nettype none
`timescale 1ns / 1ps

module DSP48E2 (
    output     [29:0] ACOUT,
    output     [17:0] BCOUT,
    output            CARRYCASCOUT,
    output      [3:0] CARRYOUT,
    output            MULTSIGNOUT,
    output            OVERFLOW,
    output     [47:0] P,
    output            PATTERNBDETECT,
    output            PATTERNDETECT,
    output     [47:0] PCOUT,
    output            UNDERFLOW,
    output      [7:0] XOROUT,
    input      [29:0] A,
    input      [29:0] ACIN,
    input       [3:0] ALUMODE,
    input      [17:0] B,
    input      [17:0] BCIN,
    input      [47:0] C,
    input             CARRYCASCIN,
    input             CARRYIN,
    input       [2:0] CARRYINSEL,
    input             CEA1, CEA2, CEAD, CEALUMODE, CEB1, CEB2, CEC, CECARRYIN, CECTRL, CED,
    input             CEINMODE, CEM, CEP, CLK,
    input      [26:0] D,
    input       [4:0] INMODE,
    input             MULTSIGNIN,
    input       [8:0] OPMODE,
    input      [47:0] PCIN,
    input             RSTA, RSTALLCARRYIN, RSTALUMODE, RSTB, RSTC, RSTCTRL, RSTD, RSTINMODE, RSTM,
    input             RSTP
);
    parameter ACASCREG = 1, ADREG = 1, ALUMODEREG = 1, AREG = 1, BCASCREG = 1, BREG = 1;
    parameter CARRYINREG = 1, CARRYINSELREG = 1, CREG = 1, DREG = 1, INMODEREG = 1, MREG = 1;
    parameter OPMODEREG = 1, PREG = 1;
    parameter AMULTSEL = "A", BMULTSEL = "B", PREADDINSEL = "A", A_INPUT = "DIRECT";
    parameter B_INPUT = "DIRECT", AUTORESET_PATDET = "NO_RESET", AUTORESET_PRIORITY = "RESET";
    parameter SEL_MASK = "MASK", SEL_PATTERN = "PATTERN", USE_MULT = "MULTIPLY";
    parameter USE_PATTERN_DETECT = "NO_PATDET", USE_SIMD = "ONE48", USE_WIDEXOR = "FALSE";
    parameter XORSIMD = "XOR24_48_96";
    parameter [47:0] MASK = 48'h3FFFFFFFFFFF, PATTERN = 48'h0, RND = 48'h0;
    parameter [3:0] IS_ALUMODE_INVERTED = 0;
    parameter IS_CARRYIN_INVERTED = 0, IS_CLK_INVERTED = 0;
    parameter [4:0] IS_INMODE_INVERTED = 0;
    parameter [8:0] IS_OPMODE_INVERTED = 0;

    localparam INVERTED = IS_CARRYIN_INVERTED || IS_CLK_INVERTED || |IS_ALUMODE_INVERTED
        || |IS_INMODE_INVERTED || |IS_OPMODE_INVERTED;
    initial
        if (BMULTSEL != "B" || PREADDINSEL != "A" || USE_WIDEXOR != "FALSE" || INVERTED
            || AUTORESET_PATDET != "NO_RESET" || SEL_MASK != "MASK" || SEL_PATTERN != "PATTERN"
            || ALUMODEREG || CARRYINREG || CARRYINSELREG || INMODEREG || OPMODEREG)
            $fatal(1, "a use of DSP48E2 that is not modelled");

    reg [29:0] a1 = 0, a2 = 0;
    reg [17:0] b1 = 0, b2 = 0;
    reg [47:0] c_q = 0, p_q = 0;
    reg [26:0] d_q = 0, ad_q = 0;
    reg [44:0] m_q = 0;
    reg detect_q = 0, detect_b_q = 0, past_q = 0, past_b_q = 0;

    wire [29:0] a_in = A_INPUT == "CASCADE" ? ACIN : A;
    wire [17:0] b_in = B_INPUT == "CASCADE" ? BCIN : B;
    wire [29:0] a = AREG == 0 ? a_in : a2;
    wire [17:0] b = BREG == 0 ? b_in : b2;
    wire [47:0] c = CREG == 0 ? C : c_q;
    wire [26:0] d = DREG == 0 ? D : d_q;
    assign ACOUT = AREG == 2 && ACASCREG == 1 ? a1 : a;
    assign BCOUT = BREG == 2 && BCASCREG == 1 ? b1 : b;

    wire [26:0] d_used = INMODE[2] ? d : 27'd0;
    wire [26:0] sum = INMODE[3] ? d_used - a[26:0] : d_used + a[26:0];
    wire [26:0] ad = ADREG == 0 ? sum : ad_q;
    wire signed [26:0] a_mult = AMULTSEL == "AD" ? ad : a[26:0];
    wire signed [17:0] b_mult = b;
    wire signed [44:0] product = a_mult * b_mult;
    wire signed [44:0] m = MREG == 0 ? product : m_q;

    wire [47:0] w = OPMODE[8:7] == 2'b00 ? 48'd0 : OPMODE[8:7] == 2'b01 ? p_q
        : OPMODE[8:7] == 2'b10 ? RND : c;
    wire [47:0] x = OPMODE[1:0] == 2'b00 ? 48'd0 : OPMODE[1:0] == 2'b01 ? {{3{m[44]}}, m}
        : OPMODE[1:0] == 2'b10 ? p_q : {a, b};
    wire [47:0] y = OPMODE[3:2] == 2'b10 ? {48{1'b1}} : OPMODE[3:2] == 2'b11 ? c : 48'd0;
    reg [47:0] z;
    always @* case (OPMODE[6:4])
        3'b000: z = 48'd0;
        3'b001: z = PCIN;
        3'b010, 3'b100: z = p_q;
        3'b011: z = c;
        3'b101: z = {{17{PCIN[47]}}, PCIN[47:17]};
        3'b110: z = {{17{p_q[47]}}, p_q[47:17]};
        default: z = 48'dx;
    endcase

    // ALUMODE 0000: Z + (W + X + Y + CIN); 0011: Z - (..); in parts of 12, 24 or 48 bits
    localparam PART = USE_SIMD == "FOUR12" ? 12 : USE_SIMD == "TWO24" ? 24 : 48;
    wire cin = CARRYIN;
    wire [47:0] alu;
    genvar k;
    generate
        for (k = 0; k < 48 / PART; k = k + 1) begin : gen_part
            wire [PART-1:0] others = w[k*PART +: PART] + x[k*PART +: PART] + y[k*PART +: PART]
                + (k == 0 ? cin : 1'b0);
            wire [PART-1:0] base = z[k*PART +: PART];
            assign alu[k*PART +: PART] = ALUMODE == 4'b0011 ? base - others : base + others;
        end
    endgenerate
    always @(ALUMODE or CARRYINSEL or INMODE)
        if ((ALUMODE != 4'b0000 && ALUMODE != 4'b0011) || CARRYINSEL != 0 || INMODE[4]
            || INMODE[1:0])
            $fatal(1, "a mode of DSP48E2 that is not modelled");

    wire detect = USE_PATTERN_DETECT == "PATDET" ? &(~(alu ^ PATTERN) | MASK) : 1'b1;
    wire detect_b = USE_PATTERN_DETECT == "PATDET" ? &((alu ^ PATTERN) | MASK) : 1'b1;
    assign P = PREG == 0 ? alu : p_q;
    assign PCOUT = P;
    assign PATTERNDETECT = PREG == 0 ? detect : detect_q;
    assign PATTERNBDETECT = PREG == 0 ? detect_b : detect_b_q;
    assign OVERFLOW = past_q & ~detect_b_q & ~detect_q;
    assign UNDERFLOW = past_b_q & ~detect_b_q & ~detect_q;

    always @(posedge CLK) begin
        if (RSTA) {a1, a2} <= 60'd0;
        else begin
            if (CEA1) a1 <= a_in;
            if (CEA2) a2 <= AREG == 2 ? a1 : a_in;
        end
        if (RSTB) {b1, b2} <= 36'd0;
        else begin
            if (CEB1) b1 <= b_in;
            if (CEB2) b2 <= BREG == 2 ? b1 : b_in;
        end
        if (RSTC) c_q <= 48'd0; else if (CEC) c_q <= C;
        if (RSTD) d_q <= 27'd0; else if (CED) d_q <= D;
        if (RSTD) ad_q <= 27'd0; else if (CEAD) ad_q <= sum;
        if (RSTM) m_q <= 45'd0; else if (CEM) m_q <= product;
        if (RSTP) {p_q, detect_q, detect_b_q, past_q, past_b_q} <= 52'd0;
        else if (CEP) begin
            p_q <= alu;
            {past_q, past_b_q} <= {detect_q, detect_b_q};
            {detect_q, detect_b_q} <= {detect, detect_b};
        end
    end
endmodule

`default_nettype wire
